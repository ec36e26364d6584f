import { readFileSync, statSync } from 'node:fs';
import { fileFailure, UserError } from '../base/errors.ts';
import { parseImageConfig } from '../image/config.ts';
import { importDirectory, importTar, sweepImages } from '../image/importer.ts';
import { type Image, ImageStore } from '../image/store.ts';
import { findPods } from '../runtime/pod-directory.ts';
import { type Args, type Io, text } from './io.ts';
import { withProgress } from './progress.ts';
import { requireRoot } from './root.ts';
import { formatTable } from './table.ts';

type Action = (args: Args, io: Io, store: ImageStore) => number | Promise<number>;

const ACTIONS: Readonly<Record<string, Action>> = { ls: list, import: importImage, rm: remove };

export async function run(args: Args, io: Io): Promise<number> {
  const name = text(args, 'action') ?? '';
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined)
    throw new UserError(`unknown action "${name}"`, {
      hint: `podspace image ${Object.keys(ACTIONS).join('|')}`,
    });
  requireRoot();
  return action(args, io, new ImageStore(io.roots.state));
}

function list(args: Args, io: Io, store: ImageStore): number {
  const images = store.list();
  if (text(args, 'output') === 'json') io.out(`${JSON.stringify(images, null, 2)}\n`);
  else
    io.out(
      formatTable([
        ['NAME', 'ID', 'SIZE', 'CREATED'],
        ...images.map(image => [image.reference, image.id, size(image), image.created]),
      ]),
    );
  return 0;
}

async function importImage(args: Args, io: Io, store: ImageStore): Promise<number> {
  const [name, source] = [text(args, 'name'), text(args, 'source')];
  if (name === undefined || source === undefined)
    throw new UserError('podspace image import needs NAME and a directory or tar archive');
  const file = text(args, 'config');
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const config = file === undefined ? {} : { config: parseImageConfig(readConfig(file), file) };
  const options = { ...config, signal: stop.signal };
  const isDirectory = source !== '-' && statSync(source, { throwIfNoEntry: false })?.isDirectory() === true;
  const work = isDirectory
    ? importDirectory(store, name, source, options)
    : importTar(store, name, source, options);
  const image = await withProgress(io, `importing ${name}`, work);
  // What the name stood for before.
  const used = usedImages(io);
  sweepImages(store, id => used.has(id));
  io.out(`imported ${image.reference} (${image.id}, ${size(image)})\n`);
  return 0;
}

function readConfig(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new UserError(`cannot read "${file}": ${fileFailure(cause)}`, { cause });
  }
}

function remove(args: Args, io: Io, store: ImageStore): number {
  const name = text(args, 'name');
  if (name === undefined) throw new UserError('podspace image rm needs NAME');
  const used = usedImages(io);
  io.out(`removed ${store.remove(name, id => used.has(id)).reference}\n`);
  return 0;
}

function usedImages(io: Io): ReadonlySet<string> {
  return new Set(
    findPods(io.roots).flatMap(({ isAlive, record }) => (isAlive ? (record?.images ?? []) : [])),
  );
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

function size({ size: bytes }: Image): string {
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  return `${(bytes / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${UNITS[step]}`;
}
