import type { Server } from '../network/dns/server.ts';
import { startDns, upstreamServers } from '../network/dns/start.ts';
import { type ZoneState, zoneOf } from '../network/dns/state.ts';
import type { Roots } from '../oci/pod-paths.ts';
import type { ClusterDns } from '../oci/resolv-conf.ts';
import type { Cleanup } from './cleanup.ts';
import { CLUSTER_DNS, readNodeState } from './node-rules.ts';

/** What pods find in their resolv.conf: as kubeadm sets a cluster up. */
export const CLUSTER: ClusterDns = { addresses: [CLUSTER_DNS], domain: 'cluster.local' };

/** Milliseconds for which an answer may not know of what has just changed. */
const FRESH = 100;

/** One server for all pods of this process that have the same --root. */
interface Shared {
  readonly server: Promise<Server>;
  users: number;
}

const servers = new Map<string, Shared>();

/** The port of 127.0.0.1 where this process answers its pods, which ends with the last of them. */
export function serveClusterDns(roots: Roots, nodeResolvConf: string, cleanup: Cleanup): Promise<number> {
  const key = roots.state;
  const shared = servers.get(key) ?? {
    server: startDns({
      listen: { address: '127.0.0.1', port: 0 },
      state: freshZone(roots),
      upstream: upstreamServers(nodeResolvConf),
    }),
    users: 0,
  };
  servers.set(key, shared);
  shared.users++;
  cleanup.add('the DNS server', async () => {
    if (--shared.users > 0) return;
    servers.delete(key);
    await (await shared.server).close();
  });
  return shared.server.then(({ port }) => port);
}

/** Answers are kept for as long as the object is the same. */
function freshZone(roots: Roots): () => ZoneState {
  let zone: ZoneState | undefined;
  let text = '';
  let read = 0;
  return () => {
    const now = performance.now();
    if (zone !== undefined && now - read < FRESH) return zone;
    const next = zoneOf(readNodeState(roots), CLUSTER.domain);
    const nextText = JSON.stringify(next);
    if (zone === undefined || nextText !== text) zone = next;
    text = nextText;
    read = now;
    return zone;
  };
}
