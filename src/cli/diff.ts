import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import { ImageStore } from '../image/store.ts';
import { layerChanges, newestLayer } from '../runtime/diff.ts';
import { chooseContainer } from '../runtime/exec.ts';
import { mountsOf } from '../runtime/processes.ts';
import { askedPod } from './asked-pod.ts';
import { type Args, type Io, text } from './io.ts';
import { requireRoot } from './root.ts';

/** What a container has changed in its root: lines of `A`, `C` or `D` and a path, as docker diff prints them. */
export async function run(args: Args, io: Io): Promise<number> {
  requireRoot();
  const { paths, record } = await askedPod(args, io, 'get');
  const container = chooseContainer(record, text(args, 'container'));
  const store = new ImageStore(io.roots.state);
  const image = store.list().find(({ id }) => id === container.imageId);
  if (image === undefined)
    throw new UserError(`image "${container.image}" is not in the local store any more`);
  const mountPoints = new Set(mountsOf(container.pid).map(({ mountPoint }) => mountPoint));
  const changes = layerChanges(
    newestLayer(paths, container.name),
    store.layers(image).map(layer => join(io.roots.state, layer)),
    mountPoints,
  );
  for (const { kind, path } of changes) io.out(`${kind} ${printable(path)}\n`);
  return 0;
}
