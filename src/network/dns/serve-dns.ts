import { Resolver } from './resolver.ts';
import { type Server, serve } from './server.ts';
import type { DnsOptions } from './start.ts';
import { DEFAULT_LIMITS, Upstream } from './upstream.ts';

/** What {@link startDns} loads: everything that only a server needs, in one file of the bundle. */
export async function serveDns({ listen, state, upstream, limits }: DnsOptions): Promise<Server> {
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
