/**
 * Addresses as their canonical text: `10.244.0.1`, `fd00::1` (RFC 5952). Numbers are for arithmetic, bytes for messages.
 * By hand, not by node:net: that module takes 4 ms to load.
 */

export type Family = 'IPv4' | 'IPv6';

const BITS: Readonly<Record<Family, 32 | 128>> = { IPv4: 32, IPv6: 128 };

/** The family of a valid address. */
export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** The length of a prefix that is one address: 32 or 128. */
export function hostPrefix(address: string): 32 | 128 {
  return BITS[familyOf(address)];
}

/** The number of an address in any spelling, without a zone; undefined for what is none. No leading zeros in IPv4. */
export function parseAddress(text: string): { readonly family: Family; readonly value: bigint } | undefined {
  const family = familyOf(text);
  const value = family === 'IPv4' ? parseIPv4(text) : parseIPv6(text);
  return value === undefined ? undefined : { family, value };
}

function parseIPv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every(part => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseIPv6(text: string): bigint | undefined {
  const [first = '', second, another] = text.split('::');
  const head = groupsOf(first, second === undefined);
  const tail = groupsOf(second ?? '', true);
  if (head === undefined || tail === undefined || another !== undefined) return undefined;
  const gap = 8 - head.length - tail.length;
  // "::" stands for at least one group.
  if (second === undefined ? gap !== 0 : gap < 1) return undefined;
  return [...head, ...Array<bigint>(gap).fill(0n), ...tail].reduce(
    (value, group) => (value << 16n) | group,
    0n,
  );
}

/** Groups of 16 bits; the last 32 bits of all may be written as IPv4. */
function groupsOf(text: string, isEnd: boolean): readonly bigint[] | undefined {
  if (text === '') return [];
  const groups: bigint[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const ipv4 = isEnd && i === parts.length - 1 && part.includes('.') ? parseIPv4(part) : undefined;
    if (ipv4 !== undefined) groups.push(ipv4 >> 16n, ipv4 & 0xffffn);
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}

/** The canonical text of a number. */
export function formatAddress(family: Family, value: bigint): string {
  if (family === 'IPv4') return [24n, 16n, 8n, 0n].map(shift => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((value >> BigInt(112 - i * 16)) & 0xffffn).toString(16),
  );
  const [start, length] = longestZeros(groups);
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

/** The first of the longest runs of zero groups. */
function longestZeros(groups: readonly string[]): readonly [start: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  let start = 0;
  for (const [i, group] of groups.entries()) {
    if (group !== '0') start = i + 1;
    else if (i + 1 - start > best[1]) best = [start, i + 1 - start];
  }
  return best;
}

/** In network order, as messages have it. */
export function addressBytes(address: string): Uint8Array {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new Error(`bug in podspace: "${address}" is not an address`);
  const bytes = new Uint8Array(BITS[parsed.family] / 8);
  for (let i = bytes.length - 1, rest = parsed.value; i >= 0; i--, rest >>= 8n)
    bytes[i] = Number(rest & 0xffn);
  return bytes;
}

/** 4 or 16 bytes in network order. */
export function addressOfBytes(bytes: Uint8Array): string {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return formatAddress(bytes.length === 4 ? 'IPv4' : 'IPv6', value);
}

/** A range of addresses, `10.244.0.0/16`. */
export interface Cidr {
  readonly family: Family;
  /** The first address. */
  readonly base: bigint;
  readonly prefixLength: number;
}

export function formatCidr({ family, base, prefixLength }: Cidr): string {
  return `${formatAddress(family, base)}/${prefixLength}`;
}

/** How many addresses a range has. */
function sizeOf({ family, prefixLength }: Cidr): bigint {
  return 1n << BigInt(BITS[family] - prefixLength);
}

export function contains(cidr: Cidr, address: string): boolean {
  const parsed = parseAddress(address);
  if (parsed?.family !== cidr.family) return false;
  return parsed.value >= cidr.base && parsed.value < cidr.base + sizeOf(cidr);
}

/**
 * The addresses of a range that a pod may have: not the first, which is the network's (or the routers', RFC 4291), nor the
 * last of an IPv4 one, which is the broadcast address; a range of one or two has no such ones (RFC 3021).
 */
export function usable(cidr: Cidr): { readonly first: bigint; readonly last: bigint } {
  const last = cidr.base + sizeOf(cidr) - 1n;
  if (sizeOf(cidr) <= 2n) return { first: cidr.base, last };
  return { first: cidr.base + 1n, last: cidr.family === 'IPv4' ? last - 1n : last };
}

/** Parses `ADDRESS/LENGTH`; an address that is not the first of its range is an error too. */
export function parseCidr(text: string): Cidr | { readonly error: string } {
  const [, address = '', length = ''] = /^([^/]*)\/(\d{1,3})$/.exec(text) ?? [];
  const parsed = parseAddress(address);
  const prefixLength = Number(length);
  if (parsed === undefined || prefixLength > BITS[parsed.family])
    return { error: `"${text}" is not a range of addresses, as 10.244.0.0/16 is` };
  const { family, value } = parsed;
  const shift = BigInt(BITS[family] - prefixLength);
  const cidr = { family, base: (value >> shift) << shift, prefixLength };
  return cidr.base === value ? cidr : { error: `"${text}" is not the first address of ${formatCidr(cidr)}` };
}
