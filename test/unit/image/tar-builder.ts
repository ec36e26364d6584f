/** What a hand-made entry says; anything goes, that is what it is for. */
export interface MadeEntry {
  readonly name: string | Buffer;
  readonly type?: string;
  readonly link?: string | Buffer;
  readonly data?: string | Buffer;
  /** What the header says, whatever there is. */
  readonly size?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly major?: number;
  readonly minor?: number;
  readonly pax?: Readonly<Record<string, string | Buffer>>;
  /** A wrong one. */
  readonly checksum?: number;
}

const octal = (value: number, length: number): string =>
  value < 0 ? '7'.repeat(length - 1) : `${value.toString(8).padStart(length - 1, '0')}\0`;

export function header(entry: MadeEntry, size: number): Buffer {
  const block = Buffer.alloc(512);
  const put = (text: string | Buffer, at: number, length: number): void =>
    void Buffer.from(text as string, 'latin1').copy(block, at, 0, length);
  put(entry.name, 0, 100);
  put(octal(entry.mode ?? 0o644, 8), 100, 8);
  put(octal(entry.uid ?? 0, 8), 108, 8);
  put(octal(entry.gid ?? 0, 8), 116, 8);
  put(octal(entry.size ?? size, 12), 124, 12);
  put(octal(entry.mtime ?? 1_600_000_000, 12), 136, 12);
  put(entry.type ?? '0', 156, 1);
  put(entry.link ?? '', 157, 100);
  put('ustar\x0000', 257, 8);
  put(octal(entry.major ?? 0, 8), 329, 8);
  put(octal(entry.minor ?? 0, 8), 337, 8);
  put('        ', 148, 8);
  const sum = entry.checksum ?? block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return block;
}

export const pad = (data: Buffer): Buffer =>
  Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);

export function paxBody(records: Readonly<Record<string, string | Buffer>>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from('\n')]);
      let length = rest.length;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return Buffer.concat([Buffer.from(String(length)), rest]);
    }),
  );
}

export function entryBytes(entry: MadeEntry): Buffer {
  const data = Buffer.from((entry.data ?? '') as string);
  const own = Buffer.concat([header(entry, data.length), pad(data)]);
  if (entry.pax === undefined) return own;
  const body = paxBody(entry.pax);
  return Buffer.concat([header({ name: 'pax', type: 'x' }, body.length), pad(body), own]);
}

export const tarOf = (entries: readonly MadeEntry[], hasEnd = true): Buffer =>
  Buffer.concat([...entries.map(entryBytes), Buffer.alloc(hasEnd ? 1024 : 0)]);

/** As a stream, in pieces of a size. */
export async function* chunksOf(bytes: Buffer, size = 65_536): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
