import { isIPv6 } from 'node:net';
import { errnoCode, UserError } from '../base/errors.ts';
import { ERRNO_TEXT } from '../linux/constants.generated.ts';
import type { Errno } from '../linux/errno.ts';
import { readNode } from '../runtime/node-registry.ts';
import { type ForwardedPort, PortForwarder } from '../runtime/port-forward.ts';
import { askedPod } from './asked-pod.ts';
import { type LocalAddress, parseAddresses, parsePorts } from './forwarded-ports.ts';
import { type Args, type Io, text, texts } from './io.ts';
import { requireRoot } from './root.ts';

export async function run(args: Args, io: Io): Promise<number> {
  requireRoot();
  const { paths, record } = await askedPod(args, io, 'create', 'portforward');
  const network = readNode().find(({ pod }) => pod.uid === record.uid)?.pod;
  if (network === undefined)
    throw new UserError(`pod "${record.name}" is of another node`, {
      hint: 'its podspace command runs in another network namespace',
    });
  const containerPorts = network.ports.filter(({ sidecar }) => sidecar !== true);
  const ports = parsePorts(texts(args, 'port'), network.name, containerPorts);
  const addresses = parseAddresses(text(args, 'address') ?? 'localhost');
  const forwarder = new PortForwarder(
    { paths, network },
    {
      onConnection: ({ local }) => io.out(`Handling connection for ${local}\n`),
      onFailure: ({ local, remote }, { message }) =>
        io.err(
          `error: an error occurred forwarding ${local} -> ${remote}: error forwarding port ${remote} to pod ${network.uid}, uid : ${message}\n`,
        ),
    },
  );
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  process.on('SIGINT', interrupt);
  try {
    await listenOnAny(forwarder, ports, addresses, io);
    await forwarder.podEnd(interrupted.signal);
    if (!interrupted.signal.aborted) throw new UserError('lost connection to pod');
    return 0;
  } finally {
    process.off('SIGINT', interrupt);
    forwarder.close();
  }
}

/** One port is enough to go on with; of the others it is said why not. */
async function listenOnAny(
  forwarder: PortForwarder,
  ports: readonly ForwardedPort[],
  addresses: readonly LocalAddress[],
  io: Io,
): Promise<void> {
  const tried = new Map<ForwardedPort, number>();
  let isListening = false;
  for (const port of ports) {
    const { local, failures, isEnough } = await listenOn(forwarder, port, addresses, io);
    tried.set(port, local);
    isListening ||= isEnough;
    if (!isEnough)
      io.err(
        `Unable to listen on port ${local}: Listeners failed to create with the following errors: [${failures.join(' ')}]\n`,
      );
  }
  if (isListening) return;
  const list = [...tried].map(([{ remote }, local]) => `{${local} ${remote}}`).join(' ');
  throw new UserError(`unable to listen on any of the requested ports: [${list}]`);
}

interface Listening {
  readonly local: number;
  readonly failures: readonly string[];
  /** Every address that was named, and either one of localhost's. */
  readonly isEnough: boolean;
}

async function listenOn(
  forwarder: PortForwarder,
  { local: wanted, remote }: ForwardedPort,
  addresses: readonly LocalAddress[],
  io: Io,
): Promise<Listening> {
  const failures: string[] = [];
  const failed: LocalAddress[] = [];
  // A port that is any the first time is the same on the other addresses.
  let local = wanted;
  for (const each of addresses) {
    const { address } = each;
    const host = isIPv6(address) ? `[${address}]` : address;
    try {
      local = await forwarder.listen(address, { local, remote });
      io.out(`Forwarding from ${host}:${local} -> ${remote}\n`);
    } catch (error) {
      const network = isIPv6(address) ? 'tcp6' : 'tcp4';
      failures.push(
        `unable to create listener: Error listen ${network} ${host}:${local}: bind: ${reasonOf(error)}`,
      );
      failed.push(each);
    }
  }
  const optional = addresses.filter(({ isOptional }) => isOptional);
  const isLocalhostLost = optional.length > 0 && optional.every(each => failed.includes(each));
  return { local, failures, isEnough: !isLocalhostLost && failed.every(({ isOptional }) => isOptional) };
}

/** Go's words: `address already in use`. */
function reasonOf(error: unknown): string {
  const text = ERRNO_TEXT[errnoCode(error) as Errno];
  if (text === undefined) throw error;
  return text.toLowerCase();
}
