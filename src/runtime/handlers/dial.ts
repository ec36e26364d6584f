import { closeSync, openSync } from 'node:fs';
import { isIP, isIPv6, Socket } from 'node:net';
import { errnoCode } from '../../base/errors.ts';
import { ERRNO_TEXT } from '../../linux/constants.generated.ts';
import type { Errno } from '../../linux/errno.ts';
import { errnoName } from '../../linux/errno.ts';
import { ProgramError } from '../../native/execute.ts';
import { socketInNamespace } from '../../native/socket-in-namespace.ts';
import { type Limit, LimitReached, within } from './limit.ts';

/** Where connections start: inside of the pod's network, so that nothing of the node's can be reached through a probe. */
export interface DialFrom {
  /** The file of the pod's network namespace; undefined with the node's own network. */
  readonly namespace: string | undefined;
  readonly podIP: string;
}

/** Why there is no connection, as Go says it: `dial tcp 10.244.0.2:80: connect: connection refused`. */
export class DialError extends Error {}

/** `10.244.0.2:80`, `[fd00::2]:80` */
export const hostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/**
 * Connects to a port of the pod, or of another host as seen from there. Throws a {@link DialError}, or
 * {@link LimitReached}.
 */
export async function dial(
  { namespace }: DialFrom,
  host: string,
  port: number,
  limit: Limit,
): Promise<Socket> {
  const address = await within(limit, resolve(host));
  const socket = await open(namespace, address, port, limit);
  try {
    const connected = new Promise<void>((done, fail) => {
      socket.once('connect', done);
      socket.once('error', fail);
    });
    socket.connect({ host: address, port });
    await within(limit, connected);
    return socket;
  } catch (error) {
    // What comes of it later is nobody's.
    socket.on('error', () => {});
    socket.destroy();
    throw error instanceof LimitReached ? error : dialError(error, address, port);
  }
}

/** The namespace's fd is not kept, for it would outlive the pod. */
async function open(
  namespace: string | undefined,
  address: string,
  port: number,
  limit: Limit,
): Promise<Socket> {
  if (namespace === undefined) return new Socket();
  // The pod is there as long as somebody wants to know of it.
  if (limit.signal.aborted) throw new LimitReached();
  try {
    const fd = openSync(namespace, 'r');
    const made = socketInNamespace(fd, isIPv6(address) ? 'AF_INET6' : 'AF_INET').finally(() => closeSync(fd));
    return new Socket({ fd: await within(limit, made, closeSync) });
  } catch (error) {
    throw error instanceof LimitReached ? error : dialError(error, address, port);
  }
}

const lookups = new Map<string, Promise<string>>();

/** By the node's resolver. One look-up of a name at a time: it cannot be ended, and each keeps a thread busy. */
async function resolve(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  const known = lookups.get(host);
  if (known !== undefined) return known;
  const { lookup } = await import('node:dns/promises');
  const looking = lookup(host).then(
    ({ address }) => address,
    cause => {
      throw new DialError(`dial tcp: lookup ${host}: no such host`, { cause });
    },
  );
  lookups.set(host, looking);
  looking.finally(() => lookups.delete(host)).catch(() => {});
  return looking;
}

function dialError(error: unknown, address: string, port: number): DialError {
  const call = error instanceof ProgramError ? 'socket' : 'connect';
  const text = ERRNO_TEXT[codeOf(error) as Errno];
  const reason =
    text === undefined ? (error instanceof Error ? error.message : String(error)) : text.toLowerCase();
  return new DialError(`dial tcp ${hostPort(address, port)}: ${call}: ${reason}`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof ProgramError ? errnoName(error.errno) : errnoCode(error);
}
