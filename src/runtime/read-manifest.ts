import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import { errnoCode, fileFailure, UserError } from '../base/errors.ts';

/** The API server takes no object of more than 3 MiB; a device, or what is no manifest at all, must not fill the memory. */
const MAX_MANIFEST = 8 << 20;

/** The text of a manifest; `-` is standard input. Throws a UserError for what cannot be one. */
export function readManifest(file: string): string {
  const what = file === '-' ? 'standard input' : JSON.stringify(file);
  let bytes: Buffer;
  try {
    const fd = file === '-' ? 0 : openSync(file, 'r');
    try {
      bytes = readUpTo(fd, MAX_MANIFEST + 1);
    } finally {
      if (fd !== 0) closeSync(fd);
    }
  } catch (cause) {
    throw new UserError(`cannot read ${what}: ${fileFailure(cause)}`, { cause });
  }
  if (bytes.length > MAX_MANIFEST)
    throw new UserError(`${what} is larger than 8 MiB`, { hint: 'is it a manifest?' });
  if (!isUtf8(bytes)) {
    const line = 1 + linesOf(bytes).findIndex(each => !isUtf8(each));
    throw new UserError(`${file === '-' ? '(stdin)' : file}:${line}: not UTF-8 text`, {
      hint: 'is it a manifest?',
    });
  }
  return bytes.toString();
}

function readUpTo(fd: number, limit: number): Buffer {
  const chunks: Buffer[] = [];
  for (let left = limit; left > 0; ) {
    const chunk = Buffer.allocUnsafeSlow(Math.min(left, 1 << 16));
    let size = 0;
    try {
      size = readSync(fd, chunk);
    } catch (error) {
      if (errnoCode(error) !== 'EAGAIN') throw error;
      // Somebody else has made our standard input non-blocking, and there is nothing in it yet.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      continue;
    }
    if (size === 0) break;
    chunks.push(chunk.subarray(0, size));
    left -= size;
  }
  return Buffer.concat(chunks);
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return [...lines, bytes.subarray(start)];
}
