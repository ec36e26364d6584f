import { createWriteStream, readFileSync, renameSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileFailure, UserError } from '../base/errors.ts';
import { parseImageConfig } from '../image/config.ts';
import { exportImage } from '../image/export.ts';
import { checkStore } from '../image/fsck.ts';
import { type ImportOptions, importAny } from '../image/importer.ts';
import { parsePlatform } from '../image/manifest.ts';
import type { ImageStore } from '../image/store.ts';
import { sweepBlobs, sweepImages } from '../image/sweep.ts';
import { keepYoungGenerationSmall } from '../native/young-generation.ts';
import { type Args, type Io, text } from './io.ts';
import { withProgress } from './progress.ts';
import { formatSize, usedImages } from './used-images.ts';

/** One word is what to import, and its own names are kept. */
export async function importImage(args: Args, io: Io, store: ImageStore): Promise<number> {
  keepYoungGenerationSmall();
  const [first, second] = [text(args, 'name'), text(args, 'source')];
  const [name, source] = second === undefined ? [undefined, first] : [first, second];
  if (source === undefined)
    throw new UserError('podspace image import needs NAME and a directory or tar archive');
  const file = text(args, 'config');
  const platform = text(args, 'platform');
  const options: ImportOptions = {
    ...(file === undefined ? {} : { config: parseImageConfig(readConfig(file), file) }),
    ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
    signal: stopped(),
  };
  const images = await withProgress(
    io,
    `importing ${name ?? source}`,
    importAny(store, name, source, options),
  );
  // What the name stood for before.
  const used = usedImages(io);
  sweepImages(store, id => used.has(id));
  sweepBlobs(store);
  for (const image of images)
    io.out(`imported ${image.reference} (${image.id}, ${formatSize(image.size)})\n`);
  return 0;
}

export function stopped(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return stop.signal;
}

function readConfig(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UserError(`cannot read "${file}": ${fileFailure(cause)}`, { cause });
  }
}

/** The file is there when it is whole. */
export async function exportTo(args: Args, io: Io, store: ImageStore): Promise<number> {
  const [name, file] = [text(args, 'name'), text(args, 'source')];
  if (name === undefined || file === undefined)
    throw new UserError('podspace image export needs NAME and a file, or "-"');
  const image = store.get(name);
  if (image === undefined)
    throw new UserError(`image "${name}" not found`, { hint: 'podspace image ls shows what there is' });
  const archive = Readable.from(exportImage(store, image), { objectMode: false });
  if (file === '-') {
    await pipeline(archive, process.stdout);
    return 0;
  }
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await withProgress(
      io,
      `exporting ${name}`,
      pipeline(archive, createWriteStream(temporary, { flags: 'wx' })),
    );
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    if (cause instanceof UserError) throw cause;
    throw new UserError(`cannot write "${file}": ${fileFailure(cause)}`, { cause });
  }
  io.out(`exported ${image.reference} to ${file}\n`);
  return 0;
}

export async function checkImages(_args: Args, io: Io, store: ImageStore): Promise<number> {
  const { images, layers, blobs, problems } = await withProgress(io, 'checking', checkStore(store));
  for (const problem of problems) io.err(`error: ${problem}\n`);
  io.out(
    `${images} images, ${layers} layers, ${blobs} blobs: ${problems.length === 0 ? 'ok' : `${problems.length} problems`}\n`,
  );
  return problems.length === 0 ? 0 : 1;
}
