import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { holdDirectory } from '../image/directories.ts';
import { parseReference } from '../image/reference.ts';
import { type Image, layerIds } from '../image/store.ts';
import type { Container } from '../kube/types.generated.ts';
import { isOneOption } from '../linux/overlay.ts';
import { isAtLeast } from '../oci/seccomp/profile.ts';
import type { Cleanup } from './cleanup.ts';
import type { RunPodOptions } from './run-options.ts';

/**
 * Every image of the pod, before anything is made; what its policy says is pulled. An image that was imported has no registry
 * that would have a newer one, and names of `localhost` have none at all.
 */
export async function findImages(options: RunPodOptions): Promise<ReadonlyMap<string, Image>> {
  const { pod } = options;
  const found = new Map<string, Image>();
  for (const container of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])])
    found.set(container.name, await findImage(options, wantedBy(container)));
  return found;
}

/** The images that a pod has as volumes, found as those of its containers are (KEP-4639). */
export async function findVolumeImages(options: RunPodOptions): Promise<readonly Image[]> {
  const found: Image[] = [];
  for (const { name, image } of options.pod.spec?.volumes ?? [])
    if (image !== undefined)
      found.push(
        await findImage(options, {
          whose: `volume "${name}"`,
          container: '',
          image: image.reference ?? '',
          policy: image.pullPolicy,
        }),
      );
  return found;
}

/** An image that a container does not get; `reason` is the kubelet's word for it. */
export class ImageError extends UserError {
  readonly reason: 'ErrImagePull' | 'ErrImageNeverPull' | 'InvalidImageName';
  /** Whose it is; "" for that of a volume. */
  readonly container: string;
  readonly detail: string;

  constructor(
    { whose, container }: Pick<Wanted, 'whose' | 'container'>,
    reason: ImageError['reason'],
    detail: string,
    options: {
      readonly cause?: unknown;
      readonly hint?: string | undefined;
      /** What is said to who runs the pod, if it is not the reason and that. */
      readonly said?: string;
    },
  ) {
    const { cause, hint, said = `${reason}: ${detail}` } = options;
    super(`${whose}: ${said}`, {
      ...(hint === undefined ? {} : { hint }),
      cause,
    });
    this.reason = reason;
    this.container = container;
    this.detail = detail;
  }
}

interface Wanted {
  /** As messages begin. */
  readonly whose: string;
  /** Whose events these are; '' is the pod. */
  readonly container: string;
  readonly image: string;
  readonly policy: string | undefined;
}

const wantedBy = ({ name, image = '', imagePullPolicy }: Container): Wanted => ({
  whose: `container "${name}"`,
  container: name,
  image,
  policy: imagePullPolicy,
});

async function findImage(options: RunPodOptions, wanted: Wanted): Promise<Image> {
  const { images, observer } = options;
  const { image, policy } = wanted;
  const event = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
    observer.onEvent?.(type, reason, message, wanted.container);
  const domain = domainOf(wanted, event);
  const found = images.get(image);
  const isKept = found !== undefined && (found.isPulled !== true || policy !== 'Always');
  if (isKept) return found;
  if (policy === 'Never') {
    const message = `Container image "${image}" is not present with pull policy of Never`;
    event('Warning', 'ErrImageNeverPull', message);
    event('Warning', 'Failed', 'Error: ErrImageNeverPull');
    throw new ImageError(wanted, 'ErrImageNeverPull', message, { hint: known(images) });
  }
  const pullFailed = (detail: string): string => {
    const message = `Failed to pull image "${image}": ${detail}`;
    event('Warning', 'Failed', message);
    event('Warning', 'Failed', 'Error: ErrImagePull');
    return message;
  };
  if (domain === 'localhost') {
    const said = `image "${image}" is not in the local store`;
    pullFailed(said);
    throw new ImageError(wanted, 'ErrImagePull', said, { hint: known(images), said });
  }
  event('Normal', 'Pulling', `Pulling image "${image}"`);
  try {
    const { pullForPod } = await import('./pull-for-pod.ts');
    const { pulled, message } = await pullForPod(options, image);
    event('Normal', 'Pulled', message);
    return pulled;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const said = `ErrImagePull: ${pullFailed(error.message)}`;
    throw new ImageError(wanted, 'ErrImagePull', error.message, { cause: error, hint: error.hint, said });
  }
}

/** The kubelet's own words for a name that is none. */
function domainOf(wanted: Wanted, event: (type: 'Warning', reason: string, message: string) => void): string {
  const { image } = wanted;
  try {
    return parseReference(image).domain;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const message = `Failed to apply default image tag "${image}": ${error.message}`;
    event('Warning', 'InspectFailed', message);
    event('Warning', 'Failed', 'Error: InvalidImageName');
    throw new ImageError(wanted, 'InvalidImageName', message, { cause: error });
  }
}

function known(images: RunPodOptions['images']): string {
  const names = images.list().map(({ reference }) => reference);
  return names.length === 0
    ? 'podspace image import NAME DIR|TAR brings one in'
    : `there are: ${names.join(', ')}`;
}

/** Nobody removes a layer between our look and the first mount of it, nor later. */
export function holdLayers(
  { images: store, host }: RunPodOptions,
  images: readonly Image[],
  cleanup: Cleanup,
): void {
  const ids = new Set(images.flatMap(layerIds));
  for (const image of images)
    if (!isOneOption(store.layers(image)) && !isAtLeast(host.kernelRelease, '6.7'))
      throw new UserError(
        `image "${image.reference}" has ${layerIds(image).length} layers: Linux before 6.7 takes 7`,
      );
  for (const id of ids) {
    const fd = holdDirectory(join(store.roots, id));
    if (fd === undefined) throw new UserError('an image of the pod has just been removed');
    cleanup.add('lock of a layer', () => closeSync(fd));
    cleanup.keep(`layer ${id}`, fd);
  }
}
