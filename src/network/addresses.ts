import { ADDRESS_BITS, type Cidr, familyOf, formatAddress, parseAddress } from '../base/addresses.ts';

/** The length of a prefix that is one address: 32 or 128. */
export function hostPrefix(address: string): 32 | 128 {
  return ADDRESS_BITS[familyOf(address)];
}

/** In network order, as messages have it. */
export function addressBytes(address: string): Uint8Array {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new Error(`bug in podspace: "${address}" is not an address`);
  const bytes = new Uint8Array(ADDRESS_BITS[parsed.family] / 8);
  for (let i = bytes.length - 1, rest = parsed.value; i >= 0; i--, rest >>= 8n)
    bytes[i] = Number(rest & 0xffn);
  return bytes;
}

/** 4 or 16 bytes in network order. */
export function addressOfBytes(bytes: Uint8Array): string {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return formatAddress({ family: bytes.length === 4 ? 'IPv4' : 'IPv6', value });
}

export function formatCidr({ family, first, prefixLength }: Cidr): string {
  return `${formatAddress({ family, value: first })}/${prefixLength}`;
}

export function contains(cidr: Cidr, address: string): boolean {
  const parsed = parseAddress(address);
  return parsed?.family === cidr.family && parsed.value >= cidr.first && parsed.value <= cidr.last;
}

/**
 * The addresses of a range that a pod may have: not the first, which is the network's (or the routers', RFC 4291), nor the
 * last of an IPv4 one, which is the broadcast address; a range of one or two has no such ones (RFC 3021).
 */
export function usable({ family, first, last }: Cidr): { readonly first: bigint; readonly last: bigint } {
  if (last - first < 2n) return { first, last };
  return { first: first + 1n, last: family === 'IPv4' ? last - 1n : last };
}
