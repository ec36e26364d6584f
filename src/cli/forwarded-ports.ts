/** The arguments of port-forward, in kubectl's forms and with its messages (client-go, tools/portforward). */
import { UserError } from '../base/errors.ts';
import { isIPAddress } from '../kube/names.ts';
import type { ContainerPort } from '../kube/types.generated.ts';
import type { ForwardedPort } from '../runtime/port-forward.ts';

/** `8080`, `8080:80`, `:80`, `0:80`, and the name of a container's port in place of its number. Throws a UserError. */
export function parsePorts(
  words: readonly string[],
  pod: string,
  containerPorts: readonly ContainerPort[],
): readonly ForwardedPort[] {
  return words.map(word => {
    const parts = word.split(':');
    const [local = '', remote = local] = parts;
    if (parts.length > 2) throw new UserError(`invalid port format '${word}'`);
    if (remote === '') throw new UserError('remote port cannot be empty');
    const number = numberOf(remote, pod, containerPorts);
    const isSame = parts.length === 1;
    const forwarded = {
      local: parsePort('local', isSame ? number : local || '0'),
      remote: parsePort('remote', number),
    };
    if (forwarded.remote === 0) throw new UserError('remote port must be > 0');
    if (isUdpOnly(forwarded.remote, containerPorts))
      throw new UserError(`UDP protocol is not supported for ${remote}`);
    return forwarded;
  });
}

/** What is no number is a name. */
function numberOf(port: string, pod: string, containerPorts: readonly ContainerPort[]): string {
  if (/^[-+]?\d+$/.test(port)) return port;
  const found = containerPorts.find(({ name }) => name === port);
  if (found === undefined) throw new UserError(`Pod '${pod}' does not have a named port '${port}'`);
  return String(found.containerPort);
}

function parsePort(side: 'local' | 'remote', text: string): number {
  const isNumber = /^\d+$/.test(text);
  if (isNumber && Number(text) <= 65_535) return Number(text);
  const reason = isNumber ? 'value out of range' : 'invalid syntax';
  throw new UserError(
    `error parsing ${side} port '${text}': strconv.ParseUint: parsing "${text}": ${reason}`,
  );
}

function isUdpOnly(port: number, containerPorts: readonly ContainerPort[]): boolean {
  const protocols = containerPorts
    .filter(({ containerPort }) => containerPort === port)
    .map(({ protocol = 'TCP' }) => protocol);
  return protocols.includes('UDP') && !protocols.includes('TCP');
}

export interface LocalAddress {
  readonly address: string;
  /** One of "localhost": it is enough that one of these can be listened on. */
  readonly isOptional: boolean;
}

/** `localhost`, which is 127.0.0.1 and ::1, and IP addresses, with commas between. Throws a UserError. */
export function parseAddresses(text: string): readonly LocalAddress[] {
  const found = new Map<string, LocalAddress>();
  for (const word of text.split(',')) {
    if (word === 'localhost') {
      for (const address of ['127.0.0.1', '::1'])
        if (!found.has(address)) found.set(address, { address, isOptional: true });
    } else if (isIPAddress(word)) found.set(word, { address: word, isOptional: false });
    else throw new UserError(`${word} is not a valid IP`);
  }
  return [...found.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
}
