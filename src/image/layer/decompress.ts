import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import * as zlib from 'node:zlib';
import { TarError } from '../tar/entry.ts';

type Chunks = AsyncIterable<Uint8Array>;

const CHUNK = 1 << 18;

interface Compression {
  readonly name: string;
  readonly magic: string;
  open(source: Chunks): Chunks;
}

/** A program of the distribution, for what Node has no words for (zstd before 22.15). */
const byProgram =
  (program: string) =>
  (source: Chunks): Chunks =>
    throughProgram(program, source);

const COMPRESSIONS: readonly Compression[] = [
  {
    name: 'gzip',
    magic: '1f8b',
    open: source => throughZlib(zlib.createGunzip({ chunkSize: CHUNK }), source),
  },
  { name: 'zstd', magic: '28b52ffd', open: source => zstd(source) },
  { name: 'xz', magic: 'fd377a585a00', open: byProgram('xz') },
  { name: 'bzip2', magic: '425a68', open: byProgram('bzip2') },
];

function zstd(source: Chunks): Chunks {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: (options: object) => zlib.Gunzip };
  return createZstdDecompress === undefined
    ? throughProgram('zstd', source)
    : throughZlib(createZstdDecompress({ chunkSize: CHUNK }), source);
}

/** The bytes as they were before somebody compressed them, known by how they begin. */
export async function* decompressed(source: Chunks): Chunks {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  for (let next = await iterator.next(); ; next = await iterator.next()) {
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
    if (head.length >= 6) break;
  }
  const hex = head.toString('hex', 0, 6);
  const whole = (async function* (): Chunks {
    if (head.length > 0) yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
  const compression = COMPRESSIONS.find(({ magic }) => hex.startsWith(magic));
  if (compression === undefined) yield* whole;
  else yield* compression.open(whole);
}

async function* throughZlib(decoder: zlib.Gunzip, source: Chunks): Chunks {
  const input = Readable.from(source, { objectMode: false });
  // Not pipeline(): it would wait for a reader who has given up.
  input.on('error', error => decoder.destroy(error));
  input.pipe(decoder);
  try {
    yield* decoder as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (error instanceof Error && 'errno' in error && 'code' in error && String(error.code).startsWith('Z'))
      throw new TarError(`it cannot be decompressed: ${error.message}`, { cause: error });
    throw error;
  } finally {
    input.destroy();
    decoder.destroy();
  }
}

async function* throughProgram(program: string, source: Chunks): Chunks {
  const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < 1 << 12) stderr += text;
  });
  const ended = new Promise<string | undefined>(resolve => {
    child.on('error', error => resolve(`cannot run ${program}: ${error.message}`));
    child.on('close', code =>
      resolve(code === 0 ? undefined : stderr.trim().split('\n')[0] || `${program}: ${code}`),
    );
  });
  const input = Readable.from(source, { objectMode: false });
  let inputError: Error | undefined;
  input.on('error', error => {
    inputError = error;
    child.kill('SIGKILL');
  });
  child.stdin.on('error', () => input.destroy());
  input.pipe(child.stdin);
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const failure = await ended;
    if (inputError !== undefined) throw inputError;
    if (failure !== undefined) throw new TarError(`it cannot be decompressed: ${failure}`);
  } finally {
    input.destroy();
    child.kill('SIGKILL');
  }
}
