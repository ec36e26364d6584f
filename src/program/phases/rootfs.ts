import { FSCONFIG, FSMOUNT, FSOPEN, MOUNT_ATTR, MS } from '../../linux/constants.generated.ts';
import { propagationFlags } from '../../linux/mount-options.ts';
import { lowerOptions } from '../../linux/overlay.ts';
import type { OciConfig } from '../../oci/config.ts';
import { CWD, flags, NULL, num, type ProgramBuilder } from '../builder.ts';
import { cloneTree, close, moveMount, setAttributes } from '../mount-calls.ts';
import type { Rootfs } from '../plan.ts';
import type { SlotOperand } from '../program.ts';

/** Nothing that happens here may travel back to the host: every mount of the new namespace stops being shared. */
export function isolatePropagation(b: ProgramBuilder): void {
  b.phase('root filesystem');
  b.call('mount', [NULL, b.text('/'), NULL, flags(MS, 'MS_REC', 'MS_PRIVATE'), NULL]);
}

/**
 * Makes the container's root a mount of its own, detached; returns its fd. The working directory is then where it is to be
 * attached: the one place that stays reachable in a user namespace to which all paths of the host are closed.
 */
export function makeRootfs(b: ProgramBuilder, rootfs: Rootfs, mountLabel: string | undefined): SlotOperand {
  b.phase('root filesystem');
  if (rootfs.kind === 'directory') {
    const tree = cloneTree(b, rootfs.path, true);
    setAttributes(b, tree, { propagation: 'MS_PRIVATE', recursive: true });
    b.call('chdir', [b.text(rootfs.path)]);
    return tree;
  }
  const mount = newOverlay(b, rootfs.base, [
    ...lowerOptions(rootfs.lower),
    ['upperdir', rootfs.upper],
    ['workdir', rootfs.work],
    ...(mountLabel === undefined ? [] : [['context', mountLabel] as const]),
  ]);
  b.call('chdir', [b.text(rootfs.mountPoint)]);
  return mount;
}

/**
 * A detached overlay, whose directories are relative to `base`: fsconfig(2) takes at most 255 characters, and overlayfs resolves
 * them from the working directory.
 */
export function newOverlay(
  b: ProgramBuilder,
  base: string,
  options: readonly (readonly [key: string, value: string])[],
  attributes: readonly (keyof typeof MOUNT_ATTR)[] = [],
): SlotOperand {
  b.call('chdir', [b.text(base)]);
  const fs = b.call('fsopen', [b.text('overlay'), flags(FSOPEN, 'FSOPEN_CLOEXEC')]);
  for (const [key, value] of [['source', 'overlay'] as const, ...options])
    b.call('fsconfig', [fs, flags(FSCONFIG, 'FSCONFIG_SET_STRING'), b.text(key), b.text(value), num(0)]);
  b.call('fsconfig', [fs, flags(FSCONFIG, 'FSCONFIG_CMD_CREATE'), NULL, NULL, num(0)]);
  const mount = b.call('fsmount', [fs, flags(FSMOUNT, 'FSMOUNT_CLOEXEC'), flags(MOUNT_ATTR, ...attributes)]);
  close(b, fs);
  return mount;
}

/** Puts it onto the working directory, which unshare(2) has carried over into the new mount namespace. */
export function attachRootfs(b: ProgramBuilder, root: SlotOperand): void {
  moveMount(b, root, CWD);
}

/** Last before the pivot, so that mount points could still be made: the root itself, not the mounts on it. */
export function makeRootReadonly(b: ProgramBuilder, root: SlotOperand, config: OciConfig): void {
  if (config.root.readonly) setAttributes(b, root, { set: ['MOUNT_ATTR_RDONLY'] });
}

/**
 * pivot_root(2), "." form: the new root is put over the old one, and the old one, now on top of it, is detached. The
 * old root was made private before, so the detach cannot reach the host.
 */
export function pivot(b: ProgramBuilder, root: SlotOperand, rootfsPropagation: string | undefined): void {
  b.phase('pivot');
  b.call('fchdir', [root]);
  b.call('pivot_root', [b.text('.'), b.text('.')]);
  b.call('umount2', [b.text('.'), flags({ MNT_DETACH: 2 }, 'MNT_DETACH')]);
  b.call('chdir', [b.text('/')]);
  const propagation = propagationFlags(rootfsPropagation ?? '');
  if (propagation !== undefined) b.call('mount', [NULL, b.text('/'), NULL, flags(MS, ...propagation), NULL]);
}
