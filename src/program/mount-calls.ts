import {
  AT,
  FSCONFIG,
  FSMOUNT,
  FSOPEN,
  MOUNT_ATTR,
  MOVE_MOUNT,
  MS,
  OPEN_FLAGS,
  OPEN_TREE,
} from '../linux/constants.generated.ts';
import { parseMountOptions } from '../linux/mount-options.ts';
import type { SubPath } from '../oci/mounts.ts';
import { type CallOptions, CWD, flags, NULL, named, num, type ProgramBuilder } from './builder.ts';
import type { ImmediateOperand, Operand, SlotOperand } from './program.ts';
import { OPEN_HOW_SIZE, openHow } from './root-paths.ts';

/** linux/mount.h defines it as O_CLOEXEC, which is the same number on both architectures. */
const OPEN_TREE_CLOEXEC = OPEN_FLAGS.O_CLOEXEC[0];

type Attribute = keyof typeof MOUNT_ATTR;

/** Makes a detached mount of a new filesystem instance (fsopen(2), fsconfig(2), fsmount(2)); returns its fd. */
export function newMount(
  b: ProgramBuilder,
  type: string,
  source: string,
  options: readonly string[],
  call: CallOptions = {},
): SlotOperand {
  const parsed = parseMountOptions(options);
  const fs = b.call('fsopen', [b.text(type), flags(FSOPEN, 'FSOPEN_CLOEXEC')], call);
  if (source !== '') configure(b, fs, 'source', source);
  for (const word of parsed.data) {
    const [key = '', ...value] = word.split('=');
    configure(b, fs, key, value.length === 0 ? undefined : value.join('='));
  }
  b.call('fsconfig', [fs, flags(FSCONFIG, 'FSCONFIG_CMD_CREATE'), NULL, NULL, num(0)]);
  const mount = b.call('fsmount', [fs, flags(FSMOUNT, 'FSMOUNT_CLOEXEC'), attributes(parsed.set)]);
  close(b, fs);
  return mount;
}

function configure(b: ProgramBuilder, fs: SlotOperand, key: string, value: string | undefined): void {
  const command = value === undefined ? 'FSCONFIG_SET_FLAG' : 'FSCONFIG_SET_STRING';
  b.call('fsconfig', [
    fs,
    flags(FSCONFIG, command),
    b.text(key),
    value === undefined ? NULL : b.text(value),
    num(0),
  ]);
}

/** Clones the mount tree at a path of the host's or of podspace's state into a detached one; returns its fd. */
export function cloneTree(
  b: ProgramBuilder,
  path: string,
  isRecursive: boolean,
  call: CallOptions = {},
): SlotOperand {
  return b.call('open_tree', [CWD, b.text(path), treeFlags(isRecursive, false)], call);
}

/** The same for what an fd refers to. */
export function cloneTreeAt(b: ProgramBuilder, fd: SlotOperand, isRecursive: boolean): SlotOperand {
  return b.call('open_tree', [fd, b.text(''), treeFlags(isRecursive, true)]);
}

function treeFlags(isRecursive: boolean, isFd: boolean): ImmediateOperand {
  const tree = flags(OPEN_TREE, 'OPEN_TREE_CLONE');
  const at = flags(
    AT,
    ...(isRecursive ? (['AT_RECURSIVE'] as const) : []),
    ...(isFd ? (['AT_EMPTY_PATH'] as const) : []),
  );
  const texts = [tree.text, 'OPEN_TREE_CLOEXEC', ...(at.value === 0 ? [] : [at.text])];
  return named(tree.value | at.value | OPEN_TREE_CLOEXEC, texts.join('|'));
}

/** A path inside a volume whose content is hostile: made where missing, never left (subPath). */
export function cloneSubPath(
  b: ProgramBuilder,
  { root, path, mode }: SubPath,
  isRecursive: boolean,
): SlotOperand {
  const parts = path.split('/').filter(part => part !== '' && part !== '.');
  const top = b.call('openat', [CWD, b.text(root), b.open('O_PATH', 'O_DIRECTORY', 'O_CLOEXEC'), num(0)]);
  let parent = top;
  let at = '';
  // Made with exactly that mode: a chmod afterwards could be led elsewhere by a link that takes the directory's place.
  const umask = mode === undefined ? undefined : b.call('umask', [named(0, '000')]);
  for (const part of parts) {
    if (mode !== undefined)
      b.call('mkdirat', [parent, b.text(part), named(mode, `0${mode.toString(8)}`)], { ignore: ['EEXIST'] });
    at = at === '' ? part : `${at}/${part}`;
    const how = openHow(b, ['O_PATH', 'O_CLOEXEC'], ['RESOLVE_BENEATH', 'RESOLVE_NO_MAGICLINKS']);
    parent = b.call('openat2', [top, b.text(at), how, OPEN_HOW_SIZE]);
  }
  if (umask !== undefined) b.call('umask', [umask]);
  return cloneTreeAt(b, parent, isRecursive);
}

/** mount_setattr(2) on a mount's fd. */
export function setAttributes(
  b: ProgramBuilder,
  mount: SlotOperand,
  change: {
    readonly set?: readonly Attribute[];
    readonly clear?: readonly Attribute[];
    readonly propagation?: keyof typeof MS;
    readonly recursive?: boolean;
  },
): void {
  const set = attributes(change.set ?? []);
  const clear = attributes(change.clear ?? []);
  if (set.value === 0 && clear.value === 0 && change.propagation === undefined) return;
  const fields = [
    set.value === 0 ? [] : [`attr_set=${set.text}`],
    clear.value === 0 ? [] : [`attr_clr=${clear.text}`],
    change.propagation === undefined ? [] : [`propagation=${change.propagation}`],
  ].flat();
  const at =
    change.recursive === true ? flags(AT, 'AT_EMPTY_PATH', 'AT_RECURSIVE') : flags(AT, 'AT_EMPTY_PATH');
  const attr = b.constant(`{${fields.join(', ')}}`, () => {
    const bytes = new Uint8Array(32);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, set.value, true);
    view.setUint32(8, clear.value, true);
    view.setUint32(16, change.propagation === undefined ? 0 : MS[change.propagation], true);
    return bytes;
  });
  b.call('mount_setattr', [mount, b.text(''), at, attr, num(32)]);
}

const FD_TO_FD = flags(MOVE_MOUNT, 'MOVE_MOUNT_F_EMPTY_PATH', 'MOVE_MOUNT_T_EMPTY_PATH');

/** Puts a detached mount onto what an O_PATH fd (or AT_FDCWD) refers to. */
export function moveMount(b: ProgramBuilder, mount: SlotOperand, target: Operand): void {
  b.call('move_mount', [mount, b.text(''), target, b.text(''), FD_TO_FD]);
}

/** Puts a detached mount onto a path of podspace's own state. */
export function moveMountTo(b: ProgramBuilder, mount: SlotOperand, path: string): void {
  b.call('move_mount', [mount, b.text(''), CWD, b.text(path), flags(MOVE_MOUNT, 'MOVE_MOUNT_F_EMPTY_PATH')]);
}

export function close(b: ProgramBuilder, fd: Operand): void {
  b.call('close', [fd]);
}

function attributes(names: readonly Attribute[]): ImmediateOperand {
  return flags(MOUNT_ATTR, ...names);
}
