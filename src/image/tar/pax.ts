import { TarError } from './entry.ts';

/** The records of a pax header (POSIX.1-2001, pax(1)), the last of a key; values are bytes. */
export type PaxRecords = Map<string, Buffer>;

/** Of one header; those of real archives have some kilobytes (extended attributes of 64 KiB at most). */
export const MAX_PAX = 1 << 20;

/** `LENGTH KEY=VALUE\n`, where LENGTH counts all of that. */
export function parsePax(body: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  const sparse: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const digits = space === -1 || space - at > 8 ? '' : body.toString('latin1', at, space);
    const end = at + Number(digits);
    const equals = body.indexOf(0x3d, space);
    if (
      !/^[0-9]+$/.test(digits) ||
      end > body.length ||
      equals === -1 ||
      equals >= end ||
      body[end - 1] !== 0x0a
    )
      throw new TarError('not a tar archive: a pax header that is not well formed');
    const key = body.toString('latin1', space + 1, equals);
    const value = body.subarray(equals + 1, end - 1);
    // Sparse format 0.0 repeats them, and their order is what they say.
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') sparse.push(value);
    // An empty value takes back what a global header said, and those are not looked at.
    else if (value.length === 0) records.delete(key);
    else records.set(key, value);
    at = end;
  }
  if (sparse.length > 0) records.set('GNU.sparse.map', Buffer.from(sparse.map(String).join(',')));
  return records;
}

export function paxNumber(records: PaxRecords, key: string): number | undefined {
  const text = records.get(key)?.toString('latin1');
  if (text === undefined) return undefined;
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new TarError(`not a tar archive: pax record ${key} is no number`);
  return Number(text);
}

/** `SECONDS.FRACTION` in nanoseconds. */
export function paxTime(records: PaxRecords, key: string): bigint | undefined {
  const text = records.get(key)?.toString('latin1');
  if (text === undefined) return undefined;
  const [, sign = '', seconds, fraction = ''] = /^(-?)([0-9]{1,12})(?:\.([0-9]*))?$/.exec(text) ?? [];
  if (seconds === undefined) throw new TarError(`not a tar archive: pax record ${key} is no time`);
  const value = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  return sign === '-' ? -value : value;
}

const XATTR = ['SCHILY.xattr.', 'LIBARCHIVE.xattr.'] as const;

/** Extended attributes as GNU tar, star and Go write them; libarchive's own form is base64. */
export function paxXattrs(records: PaxRecords): readonly (readonly [string, Buffer])[] {
  const found = new Map<string, Buffer>();
  for (const [key, value] of records) {
    const [schily, libarchive] = XATTR;
    if (key.startsWith(schily)) found.set(key.slice(schily.length), value);
    else if (key.startsWith(libarchive)) {
      const name = decodeURIComponentSafely(key.slice(libarchive.length));
      if (!found.has(name)) found.set(name, Buffer.from(value.toString('latin1'), 'base64'));
    }
  }
  return [...found];
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
