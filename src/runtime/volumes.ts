import { chmodSync, existsSync, statSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import type { PodObjects } from '../kube/environment.ts';
import { parseQuantity } from '../kube/quantity.ts';
import { declaredPodLimit, type NodeCapacity, wholeValue } from '../kube/resources.ts';
import type { Pod, PodSpec, Volume } from '../kube/types.generated.ts';
import { hasWrittenFiles, type VolumeFiles, volumeFiles } from '../kube/volume-files.ts';
import { mergedLayers } from '../native/detached-mount.ts';
import { withFd } from '../native/directory-fd.ts';
import { makeDirectories, makeFile, makeTree } from '../native/exact-mode.ts';
import { isFileBelow } from '../native/file-below.ts';
import type { PreparedVolume } from '../oci/mounts.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import { PayloadError, writeAtomically } from './atomic-writer.ts';
import { checkClaim, makeClaim } from './claims.ts';
import { failedMount } from './volume-error.ts';
import { ownByGroup } from './volume-ownership.ts';
import { isMemory, OWN_MODE, placeOf, type VolumeImages } from './volume-places.ts';

/** tmpfs(5) options of a memory volume. Its pages are the pod's memory: it is no larger than the pod's own limit. */
export function tmpfsOptions({ emptyDir }: Volume, spec: PodSpec): string {
  if (emptyDir === undefined) return 'mode=1777';
  // Zero is no limit.
  const sizes = [
    parseQuantity(emptyDir.sizeLimit ?? 0) ?? 0n,
    BigInt(wholeValue(declaredPodLimit(spec, 'memory'))),
  ];
  const [size] = sizes.filter(one => one > 0n).sort((a, b) => Number(a - b));
  return size === undefined ? 'mode=1777' : `mode=1777,size=${size}`;
}

/** A volume that has its place, and what is still to be written there. */
export interface PodVolume extends PreparedVolume {
  readonly content?: VolumeFiles['files'];
}

/** What volumes are made with, beside the pod and what it refers to. */
export interface VolumeSources {
  readonly capacity: NodeCapacity;
  readonly images: VolumeImages;
}

/** Makes what can be made before the sandbox: directories on disk, mount points, and the checks of hostPath types. */
export function prepareVolumes(
  pod: Pod,
  objects: PodObjects,
  paths: PodPaths,
  sources: VolumeSources,
): ReadonlyMap<string, PodVolume> {
  const prepare = (volume: Volume): PodVolume => {
    const place = placeOf(pod, volume, paths, sources.images);
    if (volume.hostPath !== undefined) return prepareHostPath(volume, place, volume.hostPath.type ?? '');
    checkClaim(pod, volume, objects);
    if (place.isImage === true) return place;
    if (volume.persistentVolumeClaim !== undefined) {
      makeClaim(place.source);
      // A container may have changed it.
      return { ...place, mode: modeOf(place.source) ?? OWN_MODE };
    }
    makeTree(place.source, 0o700);
    // The kubelet's emptyDir is world-writable, whatever the umask; and all that it writes files into is one.
    chmodSync(place.source, OWN_MODE);
    if (!hasWrittenFiles(volume)) return place;
    const content = volumeFiles(pod, volume, objects, sources.capacity);
    if ('error' in content) throw failedMount(volume, content.error);
    return { ...place, content: content.files, files: content.files.map(({ path }) => path) };
  };
  // A memory volume is not there for this process to look into.
  const looked = (volume: Volume): PodVolume => {
    const made = prepare(volume);
    if (isMemory(volume)) return made;
    const { layers = [] } = made;
    if (layers.length < 2) return { ...made, holdsFile: path => isFileBelow(made.source, path) };
    const directories = layers.map(layer => `${paths.roots.state}/${layer}`);
    return {
      ...made,
      holdsFile: path =>
        withFd(mergedLayers(directories), root => isFileBelow(`/proc/self/fd/${root}`, path)),
    };
  };
  return new Map((pod.spec?.volumes ?? []).map(volume => [volume.name, looked(volume)]));
}

const modeOf = (path: string): number | undefined => {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode;
  return mode === undefined ? undefined : mode & 0o777;
};

type Check = {
  readonly is: (stat: NonNullable<ReturnType<typeof statSync>>) => boolean;
  readonly what: string;
};

const HOST_PATH_CHECKS: Readonly<Record<string, Check>> = {
  Directory: { is: stat => stat.isDirectory(), what: 'a directory' },
  DirectoryOrCreate: { is: stat => stat.isDirectory(), what: 'a directory' },
  File: { is: stat => stat.isFile(), what: 'a file' },
  FileOrCreate: { is: stat => stat.isFile(), what: 'a file' },
  Socket: { is: stat => stat.isSocket(), what: 'a socket file' },
  CharDevice: { is: stat => stat.isCharacterDevice(), what: 'a character device' },
  BlockDevice: { is: stat => stat.isBlockDevice(), what: 'a block device' },
};

function prepareHostPath(volume: Volume, place: PreparedVolume, type: string): PreparedVolume {
  const path = place.source;
  try {
    if (!existsSync(path)) {
      if (type === 'FileOrCreate') makeFile(path, 0o644);
      // With no type at all it is the runtime that makes the directory.
      else if (type === 'DirectoryOrCreate' || type === '') makeDirectories(path, 0o755);
    }
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    throw failedMount(volume, `cannot make ${path}: ${(error as Error).message}`);
  }
  const stat = statSync(path, { throwIfNoEntry: false });
  const check = HOST_PATH_CHECKS[type];
  if (check !== undefined && (stat === undefined || !check.is(stat)))
    throw failedMount(volume, `hostPath type check failed: ${path} is not ${check.what}`);
  return { ...place, mode: modeOf(path) ?? 0o750, files: stat?.isDirectory() === false ? [''] : [] };
}

/**
 * Fills volumes of written files and gives all but hostPaths to fsGroup. `directory` maps a memory volume's path to where
 * this process can write to it.
 */
export function fillVolumes(
  pod: Pod,
  volumes: ReadonlyMap<string, PodVolume>,
  directory: (path: string) => string,
): void {
  for (const volume of pod.spec?.volumes ?? []) {
    const made = volumes.get(volume.name);
    // fsGroup never reaches a hostPath, nor what nobody may write to.
    if (made === undefined || volume.hostPath !== undefined || isFixed(volume)) continue;
    const target = directory(made.source);
    if (made.content === undefined) ownVolume(pod, target, made.readOnly, !volume.emptyDir);
    else fillVolume(pod, volume, target, made.content);
  }
}

/** Writes the files of one volume, again if it has some; false if they are as they were. */
export function fillVolume(pod: Pod, volume: Volume, target: string, files: VolumeFiles['files']): boolean {
  try {
    return writeAtomically(target, files, () => ownVolume(pod, target, true));
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    throw failedMount(volume, error.message);
  }
}

const isFixed = ({ image, persistentVolumeClaim }: Volume): boolean =>
  image !== undefined || persistentVolumeClaim?.readOnly === true;

/** fsGroupChangePolicy is about what outlives a pod, or is a claim at least. */
function ownVolume({ spec }: Pod, target: string, isReadOnly: boolean, isClaim = false): void {
  const { fsGroup, fsGroupChangePolicy } = spec?.securityContext ?? {};
  const isMismatchOnly = isClaim && fsGroupChangePolicy === 'OnRootMismatch';
  if (fsGroup !== undefined) ownByGroup(target, fsGroup, isReadOnly, isMismatchOnly);
}
