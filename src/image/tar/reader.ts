import { type Extent, shown, type TarEntry, TarError, type TarKind, type TarSink } from './entry.ts';
import { BLOCK, type Header, parseHeader } from './header.ts';
import { MAX_PAX, type PaxRecords, parsePax, paxNumber, paxTime, paxXattrs } from './pax.ts';
import { checkExtents, dataExtents, hasMapInData, MAX_EXTENTS, oldExtents, paxExtents } from './sparse.ts';

const KINDS: Readonly<Record<string, TarKind>> = {
  '0': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/** What has to be collected as a whole before it means anything; all of it bounded. */
type Collected = 'pax' | 'long name' | 'long link' | 'old sparse' | 'sparse map';

/**
 * Reads a tar archive as it comes, in pieces of any size, and holds no more of it than a header: ustar, GNU and pax, with
 * long names, extended attributes and the four formats of sparse files.
 */
export class TarReader {
  readonly #sink: TarSink;
  #position = 0;
  /** A part of a block, or of what is collected. */
  #pending = Buffer.alloc(0);
  #wanted = BLOCK;
  #collecting: Collected | undefined;
  #collected = 0;
  #records: PaxRecords = new Map();
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;
  /** Its own header came, its map did not yet. */
  #header: Header | undefined;
  #stored = 0;
  #realSize = 0;
  #extents: Extent[] = [];
  #data: { left: number; extents: readonly Extent[]; index: number; within: number } | undefined;
  #skip = 0;
  #zeros = 0;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  write(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.#zeros < 2; ) {
      const before = at;
      if (this.#data !== undefined) at += this.#takeData(chunk.subarray(at));
      else if (this.#skip > 0) {
        const count = Math.min(this.#skip, chunk.length - at);
        this.#skip -= count;
        at += count;
      } else at += this.#takeBlocks(chunk.subarray(at));
      this.#position += at - before;
    }
  }

  /** An archive may lack the zeros at its end, but no entry may lack anything. */
  finish(): void {
    const isWhole =
      this.#data === undefined &&
      this.#skip === 0 &&
      this.#pending.length === 0 &&
      this.#collecting === undefined;
    if (this.#position < BLOCK && this.#position > 0)
      throw new TarError(`not a tar archive: it has ${this.#position} bytes only`);
    if (this.#zeros === 0 && (!isWhole || this.#records.size > 0 || this.#longName !== undefined))
      throw new TarError(`the tar archive is cut off at byte ${this.#position}`);
    if (this.#position === 0) throw new TarError('not a tar archive: it is empty');
  }

  #takeBlocks(chunk: Buffer): number {
    // The common case needs no copy.
    if (this.#pending.length === 0 && chunk.length >= this.#wanted) {
      const length = this.#wanted;
      this.#block(chunk.subarray(0, length));
      return length;
    }
    const count = Math.min(this.#wanted - this.#pending.length, chunk.length);
    this.#pending = Buffer.concat([this.#pending, chunk.subarray(0, count)]);
    if (this.#pending.length === this.#wanted) {
      const block = this.#pending;
      this.#pending = Buffer.alloc(0);
      this.#block(block);
    }
    return count;
  }

  #block(block: Buffer): void {
    switch (this.#collecting) {
      case undefined:
        this.#headerBlock(block);
        break;
      case 'pax':
        this.#records = parsePax(Buffer.from(block.subarray(0, this.#collected)));
        this.#expectHeader();
        break;
      case 'long name':
        this.#longName = untilNul(block.subarray(0, this.#collected));
        this.#expectHeader();
        break;
      case 'long link':
        this.#longLink = untilNul(block.subarray(0, this.#collected));
        this.#expectHeader();
        break;
      case 'old sparse':
        this.#extents.push(...oldExtents(block, 0, 21, this.#position));
        if (this.#extents.length > MAX_EXTENTS) throw new TarError('a sparse file of too many pieces');
        if (block[504] === 0) this.#startSparse();
        break;
      case 'sparse map':
        this.#mapBlock(block);
        break;
    }
  }

  #expectHeader(): void {
    this.#collecting = undefined;
    this.#wanted = BLOCK;
  }

  #headerBlock(block: Buffer): void {
    const header = parseHeader(block, this.#position);
    if (header === undefined) {
      this.#zeros++;
      return;
    }
    this.#zeros = 0;
    if (header.size < 0) throw new TarError(`${shown(header.name)}: its size is negative`);
    if (header.type === 'x' || header.type === 'L' || header.type === 'K') {
      this.#collect(({ x: 'pax', L: 'long name', K: 'long link' } as const)[header.type], header.size);
      return;
    }
    // Global headers are comments, as for Docker and containerd.
    if (header.type === 'g') {
      if (header.size > MAX_PAX) throw new TarError('a pax header is larger than 1 MiB');
      this.#skip = padded(header.size);
      return;
    }
    this.#header = header;
    this.#stored = paxNumber(this.#records, 'size') ?? header.size;
    if (header.type === 'S') {
      this.#realSize = Number.parseInt(block.toString('latin1', 483, 495), 8);
      if (!Number.isSafeInteger(this.#realSize))
        throw new TarError(`${shown(header.name)}: its size is no number`);
      this.#extents = oldExtents(block, 386, 4, this.#position);
      if (block[482] === 0) this.#startSparse();
      else this.#collecting = 'old sparse';
    } else if (hasMapInData(this.#records)) {
      this.#collecting = 'sparse map';
      this.#collected = 0;
      this.#extents = [];
    } else {
      const extents = paxExtents(this.#records);
      this.#realSize =
        paxNumber(this.#records, 'GNU.sparse.size') ??
        paxNumber(this.#records, 'GNU.sparse.realsize') ??
        this.#stored;
      this.#extents = extents ?? [];
      if (extents !== undefined) this.#startSparse();
      else this.#start(undefined);
    }
  }

  #collect(what: Collected, size: number): void {
    if (size > MAX_PAX) throw new TarError(`a ${what === 'pax' ? 'pax header' : what} is larger than 1 MiB`);
    if (size === 0) return;
    this.#collecting = what;
    this.#collected = size;
    this.#wanted = padded(size);
  }

  #map = Buffer.alloc(0);

  #mapBlock(block: Buffer): void {
    this.#map = Buffer.concat([this.#map, block]);
    if (this.#map.length > MAX_PAX || this.#map.length > padded(this.#stored))
      throw new TarError('the map of a sparse file is too long');
    const extents = dataExtents(this.#map);
    if (extents === undefined) return;
    this.#stored -= this.#map.length;
    this.#map = Buffer.alloc(0);
    this.#extents = extents;
    this.#realSize = paxNumber(this.#records, 'GNU.sparse.realsize') ?? 0;
    this.#startSparse();
  }

  #startSparse(): void {
    this.#collecting = undefined;
    checkExtents(this.#extents, this.#stored, this.#realSize);
    this.#start(this.#extents);
  }

  #start(extents: readonly Extent[] | undefined): void {
    const header = this.#header;
    if (header === undefined) throw new Error('bug in podspace: an entry without a header');
    const entry = entryOf(header, this.#records, this.#longName, this.#longLink, {
      size: extents === undefined ? this.#stored : this.#realSize,
      extents,
    });
    this.#header = undefined;
    this.#records = new Map();
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#sink.begin(entry);
    // Other kinds have no data, whatever their size says; a directory's is a hint of some old programs.
    const stored = entry.kind === 'file' ? this.#stored : 0;
    if (stored === 0) {
      this.#sink.end();
      return;
    }
    this.#data = { left: stored, extents: extents ?? [{ offset: 0, length: stored }], index: 0, within: 0 };
    this.#skip = padded(stored) - stored;
  }

  #takeData(chunk: Buffer): number {
    const data = this.#data;
    if (data === undefined) return 0;
    const extent = data.extents[data.index];
    if (extent === undefined) throw new Error('bug in podspace: data beyond the last extent');
    const count = Math.min(chunk.length, extent.length - data.within);
    if (count > 0) this.#sink.data(chunk.subarray(0, count), extent.offset + data.within);
    data.within += count;
    data.left -= count;
    if (data.within === extent.length) {
      data.index++;
      data.within = 0;
    }
    if (data.left === 0) {
      this.#data = undefined;
      this.#sink.end();
    }
    return count;
  }
}

function entryOf(
  header: Header,
  records: PaxRecords,
  longName: Buffer | undefined,
  longLink: Buffer | undefined,
  { size, extents }: Pick<TarEntry, 'size' | 'extents'>,
): TarEntry {
  const path = records.get('GNU.sparse.name') ?? records.get('path') ?? longName ?? header.name;
  const isOldDirectory = header.type === '0' && path.at(-1) === 0x2f;
  const kind = isOldDirectory ? 'directory' : KINDS[header.type];
  if (kind === undefined)
    throw new TarError(`${shown(path)}: an entry of type ${JSON.stringify(header.type)} is not known`);
  return {
    kind,
    path,
    target: records.get('linkpath') ?? longLink ?? header.linkName,
    mode: header.mode,
    uid: paxNumber(records, 'uid') ?? header.uid,
    gid: paxNumber(records, 'gid') ?? header.gid,
    size,
    mtime: paxTime(records, 'mtime') ?? BigInt(header.mtime) * 1_000_000_000n,
    major: header.major,
    minor: header.minor,
    xattrs: paxXattrs(records),
    extents,
  };
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return Buffer.from(end === -1 ? bytes : bytes.subarray(0, end));
}
