import { ADDRESS_BITS, parseAddress } from '../../base/addresses.ts';

/** The name that the PTR record of an address has, RFC 1035 §3.5 and RFC 3596 §2.5. */
export function reverseName(ip: string): string {
  const { family, value } = parseAddress(ip) ?? { family: 'IPv4', value: 0n };
  if (family === 'IPv4') return `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
  const digits = value.toString(16).padStart(ADDRESS_BITS[family] / 4, '0');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}
