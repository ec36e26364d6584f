import { ReadStream } from 'node:tty';
import { objectPath } from '../../agent/client.ts';
import { RemoteSession } from '../../agent/remote-session.ts';
import { servedKind } from '../../agent/resources.ts';
import { UserError } from '../../base/errors.ts';
import type { Container, Pod } from '../../kube/types.generated.ts';
import { DEFAULT_DETACH_KEYS, DetachKeys, parseDetachKeys } from '../detach-keys.ts';
import { type Args, flag, type Io, text } from '../io.ts';
import { Output } from '../output.ts';
import { agent } from './connection.ts';
import { chosenContainer, namedPod } from './pod-names.ts';

/** `attach POD [-c CONTAINER] [-it]`: what the container's own process prints from now on, and its input. */
export async function attach(args: Args, io: Io): Promise<number> {
  const keys = parseDetachKeys(text(args, 'detach-keys') ?? DEFAULT_DETACH_KEYS);
  const client = await agent(args, io);
  const pod = await namedPod(client, args, text(args, 'pod') ?? '');
  const container = containerOf(args, io, pod);
  const isTerminal = wantsTerminal(args, io, container);
  const isInteractive = flag(args, 'stdin');
  const { namespace = 'default', name = '' } = pod.metadata ?? {};
  let leave = (): void => {};
  const output = new Output(() => leave());
  const session = await RemoteSession.open(
    client,
    objectPath(servedKind('Pod'), namespace, name, 'attach'),
    {
      container: container.name,
      stdin: String(isInteractive),
      stdout: 'true',
      // A terminal has one output.
      stderr: String(!isTerminal),
      tty: String(isTerminal),
    },
    (stream, chunk) => output.write(stream, chunk),
  );
  leave = () => session.close();
  if (isInteractive && isTerminal) io.err("If you don't see a command prompt, try pressing enter.\n");
  const filter = isInteractive && isTerminal ? new DetachKeys(keys, leave) : undefined;
  const disconnect = connect(session, { isInteractive, isTerminal, filter });
  try {
    const end = await session.ended;
    if (end?.status === 'Failure') throw new UserError(end.message ?? 'the connection is lost');
    return output.exitCode(0);
  } finally {
    disconnect();
  }
}

function containerOf(args: Args, io: Io, pod: Pod): Container {
  const { spec, metadata } = pod;
  const all = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const asked = text(args, 'container');
  const name = asked ?? chosenContainer(pod);
  const container = all.find(each => each.name === name);
  if (container === undefined)
    throw new UserError(`container ${name} not found in pod ${metadata?.name ?? ''}`);
  if (asked === undefined && all.length > 1)
    io.err(`Defaulted container ${JSON.stringify(name)} out of: ${all.map(each => each.name).join(', ')}\n`);
  return container;
}

function wantsTerminal(args: Args, io: Io, { name, tty = false }: Container): boolean {
  if (!flag(args, 'tty')) return false;
  if (!tty) io.err(`error: Unable to use a TTY - container ${name} did not allocate one\n`);
  return tty;
}

interface Connection {
  readonly isInteractive: boolean;
  readonly isTerminal: boolean;
  readonly filter: DetachKeys | undefined;
}

/** Our own input and the size of our terminal go to the container; returns how to put everything back. */
function connect(session: RemoteSession, { isInteractive, isTerminal, filter }: Connection): () => void {
  const undo: (() => void)[] = [];
  const { stdin, stdout } = process;
  if (isTerminal && stdout.isTTY) {
    const resize = (): void => session.resize(stdout.columns, stdout.rows);
    resize();
    process.on('SIGWINCH', resize);
    undo.push(() => process.off('SIGWINCH', resize));
  }
  if (isInteractive) {
    if (isTerminal && stdin instanceof ReadStream) {
      stdin.setRawMode(true);
      undo.push(() => stdin.setRawMode(false));
    }
    const onData = (chunk: Buffer): void => {
      stdin.pause();
      // A container that does not read holds our input up.
      void session.write(filter?.push(chunk) ?? chunk).then(() => stdin.resume());
    };
    const onEnd = (): void => session.end();
    stdin.on('data', onData).on('end', onEnd);
    undo.push(() => stdin.off('data', onData).off('end', onEnd).pause());
  }
  return () => {
    for (const each of undo.reverse()) each();
  };
}
