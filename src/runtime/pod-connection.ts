import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import { ERRNO_TEXT } from '../linux/constants.generated.ts';
import type { Errno } from '../linux/errno.ts';
import { errnoName } from '../linux/errno.ts';
import { ProgramError } from '../native/execute.ts';
import { socketInNamespace } from '../native/socket-in-namespace.ts';
import type { NetworkPod } from '../network/state.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { SocketFamily } from '../program/compile-socket.ts';
import { isLocked } from './lock-file.ts';

/** A pod that another command runs. */
export interface RunningPod {
  readonly paths: PodPaths;
  readonly network: NetworkPod;
}

/** True until the command that runs the pod has ended it, or has ended itself. */
export function isPodAlive({ paths }: RunningPod): boolean {
  return isLocked(join(paths.run, 'lock'));
}

/** Nobody in the pod takes connections on that port. The message is containerd's. */
export class PodConnectionError extends Error {}

interface Loopback {
  readonly address: string;
  readonly family: SocketFamily;
  readonly label: string;
  /** As Go prints the attempt. */
  readonly dial: (port: number) => string;
}

/** What "localhost" is inside of a pod, in the order in which containerd tries it. */
const LOOPBACK: readonly Loopback[] = [
  { address: '127.0.0.1', family: 'AF_INET', label: 'IPv4', dial: port => `dial tcp4 127.0.0.1:${port}` },
  { address: '::1', family: 'AF_INET6', label: 'IPv6', dial: port => `dial tcp6 [::1]:${port}` },
];

/** Milliseconds for a connection to be taken. Longer than containerd's 5000: one that a full backlog drops is tried again after 1, 3, 7, 15 s. */
const DIAL_TIMEOUT = 30_000;

/** Connects to a port of the pod's loopback. Either side of the socket ends on its own. Throws a {@link PodConnectionError}. */
export async function connectToPod(pod: RunningPod, port: number): Promise<Socket> {
  const failures: string[] = [];
  for (const { address, family, label, dial } of LOOPBACK) {
    try {
      return await connect(await openSocket(pod, family), address, port);
    } catch (error) {
      if (error instanceof PodConnectionError) throw error;
      failures.push(`${label}: ${dial(port)}: ${reasonOf(error)}`);
    }
  }
  const network = pod.network.hostNetwork ? 'host' : pod.paths.namespace('network');
  throw new PodConnectionError(
    `failed to execute portforward in network namespace "${network}": ${failures.join(' ')}`,
  );
}

/** Not connected yet; of the pod's network namespace, whose fd is not kept, for it would outlive the pod. */
async function openSocket(pod: RunningPod, family: SocketFamily): Promise<Socket> {
  if (pod.network.hostNetwork) return new Socket({ allowHalfOpen: true });
  const namespace = openNamespace(pod);
  try {
    return new Socket({ fd: await socketInNamespace(namespace, family), allowHalfOpen: true });
  } finally {
    closeSync(namespace);
  }
}

function openNamespace(pod: RunningPod): number {
  let fd: number;
  try {
    fd = openSync(pod.paths.namespace('network'), 'r');
  } catch (cause) {
    throw new PodConnectionError('the pod has ended', { cause });
  }
  // The link is to an fd of the pod's command by its pid: if it lives still, it was that one's.
  if (isPodAlive(pod)) return fd;
  closeSync(fd);
  throw new PodConnectionError('the pod has ended');
}

/** Node makes no socket for one that has an fd, and connects that: it need not wait in a thread. */
async function connect(socket: Socket, host: string, port: number): Promise<Socket> {
  const timer = setTimeout(() => socket.destroy(new Error('i/o timeout')), DIAL_TIMEOUT);
  try {
    socket.connect({ host, port });
    await once(socket, 'connect');
    return socket;
  } finally {
    clearTimeout(timer);
  }
}

/** Why a connection failed, as Go says it: `connect: connection refused`. */
function reasonOf(error: unknown): string {
  const code = error instanceof ProgramError ? errnoName(error.errno) : errnoCode(error);
  const text = ERRNO_TEXT[code as Errno];
  if (text === undefined) return error instanceof Error ? error.message : String(error);
  return `${error instanceof ProgramError ? 'socket' : 'connect'}: ${text.toLowerCase()}`;
}
