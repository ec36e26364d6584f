import { isIPAddress } from '../../kube/names.ts';
import { parseResolvConf } from '../../oci/resolv-conf.ts';
import type { ListenAddress, Server } from './server.ts';
import type { ZoneState } from './state.ts';
import type { UpstreamLimits, UpstreamServer } from './upstream.ts';

export interface DnsOptions {
  readonly listen: ListenAddress;
  /** What the names stand for at this moment. The same object as long as nothing has changed. */
  readonly state: () => ZoneState;
  /** Who is asked about all other names, in this order. */
  readonly upstream: readonly UpstreamServer[];
  readonly limits?: Partial<UpstreamLimits>;
}

/** Starts the cluster's DNS server. Sockets, and the library for the packets, are loaded only now. */
export async function startDns(options: DnsOptions): Promise<Server> {
  return (await import('./serve-dns.ts')).serveDns(options);
}

/** The node's own servers. What is no address would have to be looked up first. */
export function upstreamServers(nodeResolvConf: string): readonly UpstreamServer[] {
  return parseResolvConf(nodeResolvConf)
    .nameservers.filter(server => isIPAddress(server.replace(/%.*/, '')))
    .map(address => ({ address, port: 53 }));
}
