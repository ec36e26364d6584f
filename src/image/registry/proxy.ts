import { BlockList, isIP } from 'node:net';
import { fetch as fetchBy, ProxyAgent } from 'undici';
import { UserError } from '../../base/errors.ts';

const agents = new Map<string, ProxyAgent>();

/** fetch() through a proxy. */
export async function fetchByProxy(url: URL, init: RequestInit, proxy: string): Promise<Response> {
  const agent = agents.get(proxy) ?? new ProxyAgent(parseProxy(proxy));
  agents.set(proxy, agent);
  const response = await fetchBy(url, { ...(init as object), dispatcher: agent });
  // Node's own is an older copy of the same.
  return response as unknown as Response;
}

/** As Go's programs: without a scheme it is HTTP. */
function parseProxy(text: string): string {
  const whole = /^[a-z0-9]+:\/\//i.test(text) ? text : `http://${text}`;
  if (!/^https?:\/\//i.test(whole) || !URL.canParse(whole))
    throw new UserError('HTTPS_PROXY or HTTP_PROXY: only http:// and https:// proxies can be used');
  return whole;
}

/** Whether NO_PROXY has an address: hosts, with what is below them, `.suffix`, addresses, CIDRs, `*`; `:port` where it matters. */
export function isWithoutProxy(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy
    .split(/[\s,]+/)
    .filter(word => word !== '')
    .some(word => fits(word.toLowerCase(), host, port));
}

function fits(word: string, host: string, port: string): boolean {
  if (word === '*') return true;
  const family = isIP(host) === 6 ? 'ipv6' : 'ipv4';
  const [, network = '', prefix = ''] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(word) ?? [];
  if (network !== '') {
    const isSame = isIP(network) !== 0 && isIP(network) === isIP(host);
    if (!isSame || Number(prefix) > (family === 'ipv6' ? 128 : 32)) return false;
    const list = new BlockList();
    list.addSubnet(network, Number(prefix), family);
    return list.check(host, family);
  }
  const [, name = '', own = port] =
    /^\[?(.*?)\]?(?::(\d+))?$/.exec(isIP(word) === 6 ? `[${word}]` : word) ?? [];
  if (own !== port) return false;
  const bare = name.replace(/^\*?\./, '');
  return host.endsWith(`.${bare}`) || (host === bare && name === bare);
}
