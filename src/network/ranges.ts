import {
  ADDRESS_BITS,
  type AddressRange,
  type Family,
  formatAddress,
  parseAddress,
  parseCidr,
} from '../base/addresses.ts';
import type { IPBlock } from '../kube/types.generated.ts';

/** Runs of addresses of one family, sorted, apart from each other: what an nftables interval set takes. */
export type Ranges = readonly AddressRange[];

/** The addresses of an ipBlock: those of its cidr, without those of its exceptions. */
export function blockRanges({ cidr, except = [] }: IPBlock): Ranges {
  const whole = parseCidr(cidr);
  if (whole === undefined) return [];
  return mergeRanges(except.flatMap(text => parseCidr(text) ?? [])).reduce<Ranges>(
    (ranges, hole) => ranges.flatMap(range => without(range, hole)),
    [whole],
  );
}

function without(range: AddressRange, hole: AddressRange): Ranges {
  if (hole.family !== range.family || hole.last < range.first || hole.first > range.last) return [range];
  const { family } = range;
  return [
    ...(hole.first > range.first ? [{ family, first: range.first, last: hole.first - 1n }] : []),
    ...(hole.last < range.last ? [{ family, first: hole.last + 1n, last: range.last }] : []),
  ];
}

export function addressRange(address: string): Ranges {
  const parsed = parseAddress(address);
  return parsed === undefined ? [] : [{ family: parsed.family, first: parsed.value, last: parsed.value }];
}

/** The union of ranges of one family. */
export function mergeRanges(ranges: Ranges): Ranges {
  const sorted = [...ranges].sort((one, other) =>
    one.first < other.first ? -1 : one.first > other.first ? 1 : 0,
  );
  const merged: AddressRange[] = [];
  for (const range of sorted) {
    const before = merged.at(-1);
    if (before === undefined || range.first > before.last + 1n) merged.push(range);
    else if (range.last > before.last) merged[merged.length - 1] = { ...before, last: range.last };
  }
  return merged;
}

export function containsAddress(ranges: Ranges, address: string): boolean {
  const parsed = parseAddress(address);
  const own = ranges.filter(({ family }) => family === parsed?.family);
  return parsed !== undefined && isWithin(own, parsed.value);
}

/** Whether ranges of one family have an address of it. */
export function isWithin(ranges: Ranges, value: bigint): boolean {
  return ranges.some(({ first, last }) => first <= value && value <= last);
}

/** Every address of its family. */
export function isEverything([range, ...rest]: Ranges): boolean {
  return (
    rest.length === 0 && range !== undefined && range.first === 0n && range.last === lastOf(range.family)
  );
}

function lastOf(family: Family): bigint {
  return (1n << BigInt(ADDRESS_BITS[family])) - 1n;
}

/** As nftables reads a range: one address, a prefix where it is one, or `FIRST-LAST`. */
export function formatRange({ family, first, last }: AddressRange): string {
  const text = formatAddress({ family, value: first });
  if (first === last) return text;
  const size = last - first + 1n;
  const isPrefix = (size & (size - 1n)) === 0n && first % size === 0n;
  if (!isPrefix) return `${text}-${formatAddress({ family, value: last })}`;
  return `${text}/${ADDRESS_BITS[family] - (size.toString(2).length - 1)}`;
}
