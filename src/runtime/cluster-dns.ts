import { errnoCode } from '../base/errors.ts';
import { closeQuiet, listenAgain, listenQuietly, type QuietSockets } from '../native/quiet-sockets.ts';
import type { Server } from '../network/dns/server.ts';
import { startDns, upstreamServers } from '../network/dns/start.ts';
import { type ZoneState, zoneOf } from '../network/dns/state.ts';
import type { ClusterDns } from '../oci/resolv-conf.ts';
import type { Cleanup } from './cleanup.ts';
import { CLUSTER_DNS, readNodeState } from './node-rules.ts';

/** What pods find in their resolv.conf: as kubeadm sets a cluster up. */
export const CLUSTER: ClusterDns = { addresses: [CLUSTER_DNS], domain: 'cluster.local' };

/** Milliseconds for which an answer may not know of what has just changed. */
const FRESH = 100;

/** Where a pod's questions about names arrive on the node. */
export interface DnsAddress {
  readonly address: string;
  readonly port: number;
}

/** For pods in the node's own network; a port of 0 is any. */
export const ADDRESS_FOR_NODE: DnsAddress = { address: '127.0.0.1', port: 0 };

/**
 * Answers a pod's questions about names for as long as it lives, at the address that is wanted if its port is free. Nothing is
 * loaded before the first one.
 */
export function serveClusterDns(
  nodeResolvConf: string,
  { address, port }: DnsAddress,
  cleanup: Cleanup,
): DnsAddress {
  const sockets = answerQuietly(nodeResolvConf, address, cleanup, onFirst =>
    listenAnywhere(address, port, onFirst),
  );
  cleanup.keep('dns udp', sockets.udp, { isShared: true });
  cleanup.keep('dns tcp', sockets.tcp, { isShared: true });
  return { address, port: sockets.port };
}

/** The same with sockets that somebody has kept; what has come to them meanwhile is answered now. */
export function serveClusterDnsAgain(
  nodeResolvConf: string,
  { address, port }: DnsAddress,
  { udp, tcp }: { readonly udp: number; readonly tcp: number },
  cleanup: Cleanup,
): void {
  answerQuietly(nodeResolvConf, address, cleanup, onFirst => listenAgain({ udp, tcp, port }, onFirst));
}

function answerQuietly(
  nodeResolvConf: string,
  address: string,
  cleanup: Cleanup,
  listen: (onFirst: () => void) => QuietSockets,
): QuietSockets {
  let server: Promise<Server> | undefined;
  const start = (): void => {
    server = startDns({
      listen: { ...sockets, address },
      state: freshZone(),
      upstream: upstreamServers(nodeResolvConf),
    });
    // A failure is told when the pod ends.
    server.catch(() => {});
  };
  const sockets = listen(start);
  cleanup.add(
    'the DNS server',
    async () => {
      if (!closeQuiet(sockets)) await (await server)?.close();
    },
    { isOwn: true },
  );
  return sockets;
}

/** Of a port that somebody has, another one will do. */
function listenAnywhere(address: string, wanted: number, onFirst: () => void): QuietSockets {
  for (let port = wanted, attempt = 0; ; port = 0, attempt++) {
    try {
      return listenQuietly(address, port, onFirst);
    } catch (error) {
      if (errnoCode(error) !== 'EADDRINUSE' || attempt === ATTEMPTS) throw error;
    }
  }
}

/** A port that is free for UDP may be taken for TCP. */
const ATTEMPTS = 20;

/** Answers are kept for as long as the object is the same. */
function freshZone(): () => ZoneState {
  let zone: ZoneState | undefined;
  let text = '';
  let read = 0;
  return () => {
    const now = performance.now();
    if (zone !== undefined && now - read < FRESH) return zone;
    const next = zoneOf(readNodeState(), CLUSTER.domain);
    const nextText = JSON.stringify(next);
    if (zone === undefined || nextText !== text) zone = next;
    text = nextText;
    read = now;
    return zone;
  };
}
