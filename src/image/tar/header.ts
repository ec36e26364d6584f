import { TarError } from './entry.ts';

/** The unit of a tar archive. */
export const BLOCK = 512;

/** One header block as it is (POSIX.1-1988 "ustar", and what GNU made of it: tar(5)). */
export interface Header {
  readonly name: Buffer;
  readonly linkName: Buffer;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
}

/** Undefined for a block of zeros, which ends an archive. */
export function parseHeader(block: Buffer, position: number): Header | undefined {
  if (block.every(byte => byte === 0)) return undefined;
  if (!hasChecksum(block))
    throw new TarError(`not a tar archive: wrong checksum of the header at byte ${position}`);
  const isUstar = block.toString('latin1', 257, 262) === 'ustar';
  const isGnu = isUstar && block.toString('latin1', 262, 264) === ' ';
  const name = textOf(block, 0, 100);
  const prefix = isUstar && block[263] === 0x30 && !isGnu ? textOf(block, 345, 155) : Buffer.alloc(0);
  const field = (at: number, length: number, what: string): number =>
    numberOf(block, at, length, what, position);
  const type = String.fromCharCode(block[156] ?? 0);
  const isDevice = type === '3' || type === '4';
  return {
    name: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name,
    linkName: textOf(block, 157, 100),
    type: type === '\0' || type === '7' ? '0' : type,
    mode: field(100, 8, 'mode') & 0o7777,
    uid: field(108, 8, 'uid'),
    gid: field(116, 8, 'gid'),
    size: field(124, 12, 'size'),
    mtime: field(136, 12, 'mtime'),
    major: isDevice ? field(329, 8, 'major') : 0,
    minor: isDevice ? field(337, 8, 'minor') : 0,
  };
}

/** Some old programs summed signed bytes. */
function hasChecksum(block: Buffer): boolean {
  const wanted = Number.parseInt(
    block
      .toString('latin1', 148, 156)
      .replace(/[\0 ]+/g, ' ')
      .trim(),
    8,
  );
  let unsigned = 0;
  let signed = 0;
  for (let i = 0; i < BLOCK; i++) {
    const byte = i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
    unsigned += byte;
    signed += (byte << 24) >> 24;
  }
  return wanted === unsigned || wanted === signed;
}

/** Up to its NUL; a copy, because the block is used again. */
export function textOf(block: Buffer, at: number, length: number): Buffer {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return Buffer.from(end === -1 ? field : field.subarray(0, end));
}

/** Octal digits, or GNU's base 256 where the first bit is set. */
export function numberOf(block: Buffer, at: number, length: number, what: string, position: number): number {
  const field = block.subarray(at, at + length);
  const first = field[0] ?? 0;
  if (first & 0x80) {
    const bytes = Buffer.from(field);
    bytes[0] = first & 0x7f;
    const value = first & 0x40 ? -negated(bytes) : BigInt(`0x${bytes.toString('hex')}`);
    return safe(value, what, position);
  }
  const text = field
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .replace(/^ +/, '');
  if (!/^[0-7]*$/.test(text))
    throw new TarError(`not a tar archive: wrong ${what} in the header at byte ${position}`);
  return text === '' ? 0 : Number.parseInt(text, 8);
}

/** Two's complement without its first bit. */
function negated(bytes: Buffer): bigint {
  return (1n << BigInt(bytes.length * 8 - 1)) - BigInt(`0x${bytes.toString('hex')}`);
}

function safe(value: bigint, what: string, position: number): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER))
    throw new TarError(`the ${what} in the header at byte ${position} is out of range`);
  return Number(value);
}
