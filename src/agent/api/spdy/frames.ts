/** Frames of SPDY/3.1, as far as streams for port-forward need them. */
export const CONTROL = {
  SYN_STREAM: 1,
  SYN_REPLY: 2,
  RST_STREAM: 3,
  PING: 6,
  GOAWAY: 7,
  HEADERS: 8,
} as const;

export const FLAG_FIN = 1;

export type Frame =
  | { readonly kind: 'data'; readonly streamId: number; readonly isLast: boolean; readonly data: Buffer }
  | { readonly kind: 'control'; readonly type: number; readonly flags: number; readonly data: Buffer };

const HEADER = 8;
/** Nobody sends more at once: kubectl copies in blocks of 32 kB. */
const MAX_LENGTH = 1024 * 1024;

/** Takes bytes as they come, and gives the frames that are complete. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** Throws an Error for what is no frame. */
  push(chunk: Buffer): readonly Frame[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    for (;;) {
      if (bytes.length < HEADER) break;
      const length = bytes.readUIntBE(5, 3);
      if (length > MAX_LENGTH) throw new Error(`a frame of ${length} bytes`);
      if (bytes.length < HEADER + length) break;
      frames.push(frameOf(bytes.subarray(0, HEADER), bytes.subarray(HEADER, HEADER + length)));
      bytes = bytes.subarray(HEADER + length);
    }
    this.#rest = bytes;
    return frames;
  }
}

function frameOf(head: Buffer, data: Buffer): Frame {
  const first = head.readUInt32BE(0);
  const flags = head.readUInt8(4);
  if (first < 0x80000000) return { kind: 'data', streamId: first, isLast: (flags & FLAG_FIN) !== 0, data };
  const version = (first >>> 16) & 0x7fff;
  if (version !== 3) throw new Error(`a frame of SPDY/${version}`);
  return { kind: 'control', type: first & 0xffff, flags, data };
}

export function controlFrame(type: number, data: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeUInt32BE((0x80030000 | type) >>> 0);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(data.length, 5, 3);
  return Buffer.concat([head, data]);
}

export function dataFrame(streamId: number, data: Buffer, isLast = false): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeUInt32BE(streamId);
  head.writeUInt8(isLast ? FLAG_FIN : 0, 4);
  head.writeUIntBE(data.length, 5, 3);
  return Buffer.concat([head, data]);
}

export function uint32s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, 4 * i);
  return bytes;
}

/** Names and values of a header block that has been decompressed. Throws an Error for what is none. */
export function parseHeaders(block: Buffer): ReadonlyMap<string, string> {
  let at = 0;
  const count = (): number => {
    if (at + 4 > block.length) throw new Error('a header block that is cut');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = count();
    if (length > block.length - at) throw new Error('a header block that is cut');
    at += length;
    return block.toString('utf8', at - length, at);
  };
  const headers = new Map<string, string>();
  for (let left = count(); left > 0; left--) {
    const name = text();
    headers.set(name.toLowerCase(), text());
  }
  return headers;
}
