import { UserError } from '../base/errors.ts';
import { formatReference, parseReference } from '../image/reference.ts';
import { type Image, ImageStore } from '../image/store.ts';
import { sweepBlobs, sweepImages } from '../image/sweep.ts';
import { checkName, writeName } from '../image/write-name.ts';
import type { IMAGE_FORMS } from './image-forms.ts';
import { login, logout, pull } from './image-registry.ts';
import { checkImages, exportTo, importImage } from './image-transfer.ts';
import { type Args, flag, type Io, text } from './io.ts';
import { requireRoot } from './root.ts';
import { formatTable } from './table.ts';
import { formatSize, usedImages } from './used-images.ts';

type Action = (args: Args, io: Io, store: ImageStore) => number | Promise<number>;

const ACTIONS: Readonly<Record<keyof typeof IMAGE_FORMS, Action>> = {
  ls: list,
  pull,
  import: importImage,
  inspect,
  tag,
  rm: remove,
  export: exportTo,
  prune,
  fsck: checkImages,
  login,
  logout,
};

export async function run(args: Args, io: Io): Promise<number> {
  const name = text(args, 'action') ?? '';
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name as keyof typeof ACTIONS] : undefined;
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
        ...images.map(image => [image.reference, image.id, formatSize(image.size), image.created]),
      ]),
    );
  return 0;
}

function inspect(args: Args, io: Io, store: ImageStore): number {
  const image = named(args, store, 'inspect');
  io.out(
    `${JSON.stringify({ ...image, rootfs: store.layers(image).map(layer => `${io.roots.state}/${layer}`) }, null, 2)}\n`,
  );
  return 0;
}

function tag(args: Args, io: Io, store: ImageStore): number {
  const image = named(args, store, 'tag');
  const target = text(args, 'source');
  if (target === undefined) throw new UserError('podspace image tag needs NAME and the new name');
  const parsed = parseReference(target);
  if (parsed.digest !== undefined)
    throw new UserError(`"${target}" has a digest: it cannot be given to an image`);
  const reference = formatReference(parsed);
  checkName(store, reference, target);
  const { isPulled: _, ...rest } = image;
  writeName(store, { ...rest, reference });
  io.out(`${image.reference} is also ${reference}\n`);
  return 0;
}

function remove(args: Args, io: Io, store: ImageStore): number {
  const name = text(args, 'name');
  if (name === undefined) throw new UserError('podspace image rm needs NAME');
  const used = usedImages(io);
  io.out(`removed ${store.remove(name, id => used.has(id)).reference}\n`);
  sweepBlobs(store);
  return 0;
}

/** Of podman and docker: without --all, only what no name leads to. */
function prune(args: Args, io: Io, store: ImageStore): number {
  const used = usedImages(io);
  const isUsed = (id: string): boolean => used.has(id);
  for (const { reference, id } of flag(args, 'all') ? store.list() : [])
    if (!isUsed(id)) io.out(`removed ${store.remove(reference, isUsed).reference}\n`);
  for (const id of sweepImages(store, isUsed)) io.out(`removed layer ${id}\n`);
  for (const digest of sweepBlobs(store)) io.out(`removed blob ${digest}\n`);
  return 0;
}

function named(args: Args, store: ImageStore, action: string): Image {
  const name = text(args, 'name');
  if (name === undefined) throw new UserError(`podspace image ${action} needs NAME`);
  const image = store.get(name);
  if (image === undefined)
    throw new UserError(`image "${name}" not found`, { hint: 'podspace image ls shows what there is' });
  return image;
}
