import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { errnoCode } from '../../base/errors.ts';
import { isCompressed } from '../../runtime/log-files.ts';
import { isWholeLine, tailOf } from './tail.ts';

const BLOCK = 65_536;
const NEWLINE = 0x0a;

/** A file of a log, and how far it has been read. */
export interface LogSource {
  /** The file itself, however it is called by now. */
  readonly id: { readonly ino: number; readonly dev: number };
  /** What comes next; undefined where there is nothing more, yet. */
  read(): Promise<Buffer | undefined>;
  /** Goes to the last whole lines, so many at most, and says how many it found, and whether there are others before them. */
  toLast(count: number): Promise<{ readonly found: number; readonly hasMore: boolean }>;
  close(): void;
}

/** Files that somebody reads now, by their inode: what is compressed has another one, and would be read twice. */
const open = new Map<number, number>();
export const isBeingRead = (inode: number): boolean => open.has(inode);

/** Undefined if there is no such file any more. */
export function openLog(file: string): LogSource | undefined {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  const { ino, dev } = fstatSync(fd);
  open.set(ino, (open.get(ino) ?? 0) + 1);
  const source = isCompressed(file) ? new CompressedFile(fd) : new PlainFile(fd);
  const close = (): void => {
    const left = (open.get(ino) ?? 1) - 1;
    if (left === 0) open.delete(ino);
    else open.set(ino, left);
    source.close();
    closeSync(fd);
  };
  return { id: { ino, dev }, read: () => source.read(), toLast: count => source.toLast(count), close };
}

/** One that may still grow. */
class PlainFile implements Omit<LogSource, 'id'> {
  readonly #fd: number;
  #offset = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async read(): Promise<Buffer | undefined> {
    const block = Buffer.allocUnsafe(BLOCK);
    const size = readSync(this.#fd, block, 0, BLOCK, this.#offset);
    this.#offset += size;
    return size === 0 ? undefined : block.subarray(0, size);
  }

  async toLast(count: number): Promise<{ readonly found: number; readonly hasMore: boolean }> {
    const { offset, found } = tailOf(this.#fd, count);
    this.#offset = offset;
    return { found, hasMore: offset > 0 };
  }

  close(): void {}
}

/** One that is as it is. It is read as a stream: whoever prints much in a moment makes a file that memory has no room for. */
class CompressedFile implements Omit<LogSource, 'id'> {
  readonly #fd: number;
  #skip = 0;
  #stream: ReturnType<typeof createGunzip> | undefined;
  #blocks: AsyncIterator<Buffer> | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  async read(): Promise<Buffer | undefined> {
    for (;;) {
      const block = await this.#next();
      if (block === undefined || this.#skip < block.length) {
        const rest = block?.subarray(this.#skip);
        this.#skip = 0;
        return rest;
      }
      this.#skip -= block.length;
    }
  }

  async toLast(count: number): Promise<{ readonly found: number; readonly hasMore: boolean }> {
    const all = await this.#whole(Number.POSITIVE_INFINITY);
    const skipped = Math.max(0, all.found - count);
    this.#skip = (await this.#whole(skipped)).offset;
    return { found: all.found - skipped, hasMore: skipped > 0 };
  }

  close(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
    this.#blocks = undefined;
  }

  /** Where so many whole lines end, and how many there are; from the beginning. */
  async #whole(most: number): Promise<{ readonly offset: number; readonly found: number }> {
    let [found, at, offset] = [0, 0, 0];
    let rest = Buffer.alloc(0);
    while (found < most) {
      const block = await this.#next();
      if (block === undefined) break;
      rest = Buffer.concat([rest, block]);
      let start = 0;
      for (let end = rest.indexOf(NEWLINE); end !== -1 && found < most; end = rest.indexOf(NEWLINE, start)) {
        if (isWholeLine(rest.subarray(start, end + 1))) {
          found++;
          offset = at + end + 1;
        }
        start = end + 1;
      }
      at += start;
      rest = rest.subarray(start);
    }
    this.close();
    return { offset, found };
  }

  /** What is damaged ends there. */
  async #next(): Promise<Buffer | undefined> {
    if (this.#blocks === undefined) {
      const bytes = createReadStream('', { fd: this.#fd, start: 0, autoClose: false });
      this.#stream = createGunzip({ chunkSize: BLOCK });
      bytes.on('error', error => this.#stream?.destroy(error));
      this.#blocks = bytes.pipe(this.#stream)[Symbol.asyncIterator]();
    }
    try {
      const { value, done } = await this.#blocks.next();
      return done === true ? undefined : value;
    } catch {
      return undefined;
    }
  }
}
