import { chmodSync, existsSync, statSync } from 'node:fs';
import { errnoCode, UserError } from '../base/errors.ts';
import type { PodObjects } from '../kube/environment.ts';
import { parseQuantity } from '../kube/quantity.ts';
import { declaredPodLimit, type NodeCapacity, wholeValue } from '../kube/resources.ts';
import type { Pod, PodSpec, Volume } from '../kube/types.generated.ts';
import { hasWrittenFiles, type VolumeFiles, volumeFiles } from '../kube/volume-files.ts';
import { makeDirectories, makeFile, makeTree } from '../native/exact-mode.ts';
import type { PreparedVolume } from '../oci/mounts.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import { PayloadError, writeAtomically } from './atomic-writer.ts';
import { ownByGroup } from './volume-ownership.ts';

/** A volume that cannot be set up: the pod stays `ContainerCreating`, with a FailedMount event that says this. */
export class VolumeError extends UserError {
  constructor(volume: Volume, message: string) {
    super(`MountVolume.SetUp failed for volume "${volume.name}" : ${message}`);
    this.name = 'VolumeError';
  }
}

/** Volumes that live in memory, tmpfs mounts that the sandbox makes: as on a node secrets never touch the disk. */
export function isMemory(volume: Volume): boolean {
  const { emptyDir, configMap } = volume;
  return emptyDir?.medium === 'Memory' || (hasWrittenFiles(volume) && configMap === undefined);
}

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

/** Makes what can be made before the sandbox: directories on disk, mount points, and the checks of hostPath types. */
export function prepareVolumes(
  pod: Pod,
  objects: PodObjects,
  paths: PodPaths,
  capacity: NodeCapacity,
): ReadonlyMap<string, PodVolume> {
  return new Map(
    (pod.spec?.volumes ?? []).map(volume => [
      volume.name,
      prepareVolume(pod, volume, objects, paths, capacity),
    ]),
  );
}

function prepareVolume(
  pod: Pod,
  volume: Volume,
  objects: PodObjects,
  paths: PodPaths,
  capacity: NodeCapacity,
): PodVolume {
  if (volume.hostPath !== undefined)
    return prepareHostPath(volume, volume.hostPath.path, volume.hostPath.type ?? '');
  const source = paths.volume(volume.name, isMemory(volume));
  makeTree(source, 0o700);
  // The kubelet's emptyDir is world-writable, whatever the umask; and all that it writes files into is one.
  chmodSync(source, 0o777);
  if (volume.emptyDir !== undefined) return { source, readOnly: false };
  const content = volumeFiles(pod, volume, objects, capacity);
  if ('error' in content) throw new VolumeError(volume, content.error);
  return { source, readOnly: true, content: content.files, files: content.files.map(({ path }) => path) };
}

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

function prepareHostPath(volume: Volume, path: string, type: string): PreparedVolume {
  try {
    if (!existsSync(path)) {
      if (type === 'FileOrCreate') makeFile(path, 0o644);
      // With no type at all it is the runtime that makes the directory.
      else if (type === 'DirectoryOrCreate' || type === '') makeDirectories(path, 0o755);
    }
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    throw new VolumeError(volume, `cannot make ${path}: ${(error as Error).message}`);
  }
  const stat = statSync(path, { throwIfNoEntry: false });
  const check = HOST_PATH_CHECKS[type];
  if (check !== undefined && (stat === undefined || !check.is(stat)))
    throw new VolumeError(volume, `hostPath type check failed: ${path} is not ${check.what}`);
  return { source: path, readOnly: false, files: stat?.isDirectory() === false ? [''] : [] };
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
    if (made === undefined || volume.hostPath !== undefined) continue;
    const target = directory(made.source);
    if (made.content === undefined) ownVolume(pod, target, made.readOnly);
    else fillVolume(pod, volume, target, made.content);
  }
}

/** Writes the files of one volume, again if it has some; false if they are as they were. */
export function fillVolume(pod: Pod, volume: Volume, target: string, files: VolumeFiles['files']): boolean {
  try {
    return writeAtomically(target, files, () => ownVolume(pod, target, true));
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    throw new VolumeError(volume, error.message);
  }
}

function ownVolume({ spec }: Pod, target: string, isReadOnly: boolean): void {
  const fsGroup = spec?.securityContext?.fsGroup;
  if (fsGroup !== undefined) ownByGroup(target, fsGroup, isReadOnly);
}
