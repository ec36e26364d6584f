import { closeSync, constants, openSync } from 'node:fs';
import { FSCONFIG, FSMOUNT, FSOPEN } from '../linux/constants.generated.ts';
import { lowerOptions } from '../linux/overlay.ts';
import { syscall } from './libc.ts';

/** A file system of the kernel's that is mounted nowhere, fsopen(2): its root, as an fd. Nobody else sees it. */
export function detachedMount(
  type: 'proc' | 'tracefs' | 'overlay',
  options: readonly (readonly [key: string, value: string])[] = [],
): number {
  const fs = syscall('fsopen', [type, FSOPEN.FSOPEN_CLOEXEC], type);
  try {
    for (const [key, value] of options)
      syscall('fsconfig', [fs, FSCONFIG.FSCONFIG_SET_STRING, key, value, 0], `${type}, ${key}`);
    syscall('fsconfig', [fs, FSCONFIG.FSCONFIG_CMD_CREATE, null, null, 0], type);
    return syscall('fsmount', [fs, FSMOUNT.FSMOUNT_CLOEXEC, 0], type);
  } finally {
    syscall('close', [fs]);
  }
}

/** Layers as overlayfs shows them together, the uppermost first: an fd of their root. */
export function mergedLayers(layers: readonly string[]): number {
  const fds = layers.map(layer => openSync(layer, constants.O_RDONLY | constants.O_DIRECTORY));
  const [only] = fds;
  if (only !== undefined && fds.length === 1) return only;
  try {
    return detachedMount('overlay', [
      ['source', 'overlay'],
      ...lowerOptions(fds.map(fd => `/proc/self/fd/${fd}`)),
    ]);
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
