import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { errnoCode, UserError } from '../base/errors.ts';
import { socketInNamespace } from '../native/socket-in-namespace.ts';
import type { Party } from '../network/model.ts';
import { PodPaths, type Roots } from '../oci/pod-paths.ts';

/** What became of a connection. */
export interface Answer {
  /** It arrived, whether or not somebody takes connections there. */
  readonly isLetThrough: boolean;
  readonly text: string;
}

/** Milliseconds: what a rule drops is never answered. */
const TIMEOUT = 2000;

/** Connects from where a pod or the node is, for real. */
export async function connects(roots: Roots, from: Party, to: Party, port: number): Promise<Answer> {
  const host = addressOf(to);
  const socket =
    from.kind === 'pod' && !from.pod.hostNetwork ? await socketOf(roots, from.pod.uid, host) : new Socket();
  const timer = setTimeout(
    () => socket.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })),
    TIMEOUT,
  );
  try {
    socket.connect({ host, port });
    await once(socket, 'connect');
    return { isLetThrough: true, text: `connected to ${host} port ${port}` };
  } catch (error) {
    const code = errnoCode(error);
    if (code === 'ECONNREFUSED')
      return {
        isLetThrough: true,
        text: `${host} port ${port} refuses: it was reached, and nobody listens there`,
      };
    if (code === 'ETIMEDOUT')
      return { isLetThrough: false, text: `no answer from ${host} port ${port} within ${TIMEOUT / 1000} s` };
    return { isLetThrough: false, text: `${host} port ${port}: ${code ?? error}` };
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function addressOf(party: Party): string {
  if (party.kind === 'address') return party.address;
  if (party.kind === 'node') return '169.254.1.1';
  const [address] = party.pod.ips;
  if (address === undefined) throw new UserError(`pod "${party.pod.name}" has no address`);
  return address;
}

async function socketOf(roots: Roots, uid: string, host: string): Promise<Socket> {
  let namespace: number;
  try {
    namespace = openSync(new PodPaths(roots, uid).namespace('network'), 'r');
  } catch (cause) {
    throw new UserError('the pod has ended, or runs with another --root', { cause });
  }
  try {
    const family = host.includes(':') ? 'AF_INET6' : 'AF_INET';
    return new Socket({ fd: await socketInNamespace(namespace, family) });
  } finally {
    closeSync(namespace);
  }
}
