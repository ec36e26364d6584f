import { isIPAddress } from '../../kube/names.ts';
import { parseResolvConf } from '../../oci/resolv-conf.ts';
import type { ListenAddress, Server } from './server.ts';
import type { DnsState } from './state.ts';
import type { UpstreamLimits, UpstreamServer } from './upstream.ts';

export interface DnsOptions {
  readonly listen: ListenAddress;
  /** What the names stand for at this moment. The same object as long as nothing has changed. */
  readonly state: () => DnsState;
  /** Who is asked about all other names, in this order. */
  readonly upstream: readonly UpstreamServer[];
  readonly limits?: Partial<UpstreamLimits>;
}

/** Starts the cluster's DNS server. Sockets, and the library for the packets, are loaded only now. */
export async function startDns({ listen, state, upstream, limits }: DnsOptions): Promise<Server> {
  const [{ serve }, { Resolver }, { DEFAULT_LIMITS, Upstream }] = await Promise.all([
    import('./server.ts'),
    import('./resolver.ts'),
    import('./upstream.ts'),
  ]);
  const own = new Set([`${listen.address} ${listen.port}`, ...state().serverIPs.map(ip => `${ip} 53`)]);
  const others = upstream.filter(({ address, port }) => !own.has(`${address} ${port}`));
  const forwarder = new Upstream(others, { ...DEFAULT_LIMITS, ...limits });
  const server = await serve(listen, new Resolver(state, forwarder));
  return {
    port: server.port,
    close: () => {
      forwarder.close();
      return server.close();
    },
  };
}

/** The node's own servers. What is no address would have to be looked up first. */
export function upstreamServers(nodeResolvConf: string): readonly UpstreamServer[] {
  return parseResolvConf(nodeResolvConf)
    .nameservers.filter(server => isIPAddress(server.replace(/%.*/, '')))
    .map(address => ({ address, port: 53 }));
}
