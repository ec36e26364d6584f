/**
 * IP addresses as text and as numbers. The canonical text is `10.244.0.1` or `fd00::1` (RFC 5952). By hand, not by
 * node:net, which pure code has not.
 */

export type Family = 'IPv4' | 'IPv6';

/** How many bits an address of a family has. */
export const ADDRESS_BITS: Readonly<Record<Family, 32 | 128>> = { IPv4: 32, IPv6: 128 };

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

/** The family of a valid address. */
export function familyOf(address: string): Family {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

/** The number of an address in any spelling, without a zone; undefined for what is none. No leading zeros in IPv4. */
export function parseAddress(text: string): Address | undefined {
  const family = familyOf(text);
  const value = family === 'IPv4' ? parseIPv4(text) : parseIPv6(text);
  return value === undefined ? undefined : { family, value };
}

function parseIPv4(text: string): bigint | undefined {
  const parts = text.split('.');
  const isOctet = (part: string): boolean => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256;
  if (parts.length !== 4 || !parts.every(isOctet)) return undefined;
  return BigInt(parts.reduce((value, part) => value * 256 + Number(part), 0));
}

function parseIPv6(text: string): bigint | undefined {
  const halves = text.split('::').map((half, i, all) => groupsOf(half, i === all.length - 1));
  const [head, tail] = halves;
  if (halves.length > 2 || head === undefined || (halves.length === 2 && tail === undefined))
    return undefined;
  const groups = [...head, ...(tail ?? [])];
  const gap = 8 - groups.length;
  // "::" stands for at least one group.
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  groups.splice(head.length, 0, ...Array<number>(gap).fill(0));
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** Groups of 16 bits; the last two of all may be written as IPv4. */
function groupsOf(half: string, isLast: boolean): readonly number[] | undefined {
  if (half === '') return [];
  const parts = half.split(':');
  const dotted = isLast && parts.at(-1)?.includes('.') === true ? parseIPv4(parts.pop() ?? '') : 0n;
  if (dotted === undefined || !parts.every(part => /^[0-9a-f]{1,4}$/i.test(part))) return undefined;
  const groups = parts.map(part => Number.parseInt(part, 16));
  return half.includes('.') ? [...groups, Number(dotted >> 16n), Number(dotted & 0xffffn)] : groups;
}

/** The canonical text of a number. */
export function formatAddress({ family, value }: Address): string {
  if (family === 'IPv4') {
    const number = Number(value);
    return [24, 16, 8, 0].map(shift => Math.floor(number / 2 ** shift) % 256).join('.');
  }
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((value >> BigInt(112 - i * 16)) & 0xffffn).toString(16),
  );
  const { start, length } = longestZeros(groups);
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

/** What "::" stands for: the first of the longest runs of groups that are zero. */
function longestZeros(groups: readonly string[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [i, group] of groups.entries()) {
    if (group !== '0') start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}

/** The canonical text of an address in any spelling; undefined for what is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address);
}

/** A run of addresses, both ends included. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export interface Cidr extends AddressRange {
  readonly prefixLength: number;
  /** The address is the first of its range: `10.0.0.0/8`, not `10.1.2.3/8`. */
  readonly isNetwork: boolean;
}

/** Parses `ADDRESS/LENGTH`; undefined for what is none. */
export function parseCidr(text: string): Cidr | undefined {
  const [, address = '', length = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const parsed = parseAddress(address);
  if (parsed === undefined) return undefined;
  const { family, value } = parsed;
  const prefixLength = Number(length);
  const hostBits = ADDRESS_BITS[family] - prefixLength;
  if (hostBits < 0) return undefined;
  const first = (value >> BigInt(hostBits)) << BigInt(hostBits);
  const last = first + (1n << BigInt(hostBits)) - 1n;
  return { family, first, last, prefixLength, isNetwork: first === value };
}
