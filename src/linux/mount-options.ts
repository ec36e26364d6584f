import type { MOUNT_ATTR, MS } from './constants.generated.ts';

type Attribute = keyof typeof MOUNT_ATTR;
type Propagation = 'MS_PRIVATE' | 'MS_SLAVE' | 'MS_SHARED' | 'MS_UNBINDABLE';

/** What a mount option does; an option without an entry is data for the filesystem (`mode=755`). */
export interface MountOption {
  readonly set?: Attribute;
  readonly clear?: Attribute;
  /** Also for every mount below (the recursive options of runtime-spec 1.1). */
  readonly recursive?: boolean;
  readonly propagation?: Propagation;
  readonly bind?: boolean;
  /** The ids of files are those of the container's user namespace (runtime-spec 1.1). */
  readonly idmap?: boolean;
}

/**
 * The option words of mount(8) and of the runtime-spec ("Linux mount options"), as mount_setattr(2) attributes.
 * The atime words are one enumeration: clearing MOUNT_ATTR__ATIME first is what lets another one be set.
 */
export const MOUNT_OPTIONS: Readonly<Record<string, MountOption>> = {
  defaults: {},
  rw: { clear: 'MOUNT_ATTR_RDONLY' },
  ro: { set: 'MOUNT_ATTR_RDONLY' },
  suid: { clear: 'MOUNT_ATTR_NOSUID' },
  nosuid: { set: 'MOUNT_ATTR_NOSUID' },
  dev: { clear: 'MOUNT_ATTR_NODEV' },
  nodev: { set: 'MOUNT_ATTR_NODEV' },
  exec: { clear: 'MOUNT_ATTR_NOEXEC' },
  noexec: { set: 'MOUNT_ATTR_NOEXEC' },
  noatime: { set: 'MOUNT_ATTR_NOATIME', clear: 'MOUNT_ATTR__ATIME' },
  strictatime: { set: 'MOUNT_ATTR_STRICTATIME', clear: 'MOUNT_ATTR__ATIME' },
  relatime: { clear: 'MOUNT_ATTR__ATIME' },
  // The kernel's default, which they go back to.
  atime: { clear: 'MOUNT_ATTR__ATIME' },
  norelatime: { clear: 'MOUNT_ATTR__ATIME' },
  nostrictatime: { clear: 'MOUNT_ATTR__ATIME' },
  nodiratime: { set: 'MOUNT_ATTR_NODIRATIME' },
  diratime: { clear: 'MOUNT_ATTR_NODIRATIME' },
  nosymfollow: { set: 'MOUNT_ATTR_NOSYMFOLLOW' },
  symfollow: { clear: 'MOUNT_ATTR_NOSYMFOLLOW' },
  rro: { set: 'MOUNT_ATTR_RDONLY', recursive: true },
  rrw: { clear: 'MOUNT_ATTR_RDONLY', recursive: true },
  rnosuid: { set: 'MOUNT_ATTR_NOSUID', recursive: true },
  rsuid: { clear: 'MOUNT_ATTR_NOSUID', recursive: true },
  rnodev: { set: 'MOUNT_ATTR_NODEV', recursive: true },
  rdev: { clear: 'MOUNT_ATTR_NODEV', recursive: true },
  rnoexec: { set: 'MOUNT_ATTR_NOEXEC', recursive: true },
  rexec: { clear: 'MOUNT_ATTR_NOEXEC', recursive: true },
  rnodiratime: { set: 'MOUNT_ATTR_NODIRATIME', recursive: true },
  rdiratime: { clear: 'MOUNT_ATTR_NODIRATIME', recursive: true },
  rnoatime: { set: 'MOUNT_ATTR_NOATIME', clear: 'MOUNT_ATTR__ATIME', recursive: true },
  rstrictatime: { set: 'MOUNT_ATTR_STRICTATIME', clear: 'MOUNT_ATTR__ATIME', recursive: true },
  ratime: { clear: 'MOUNT_ATTR__ATIME', recursive: true },
  rrelatime: { clear: 'MOUNT_ATTR__ATIME', recursive: true },
  rnorelatime: { clear: 'MOUNT_ATTR__ATIME', recursive: true },
  rnostrictatime: { clear: 'MOUNT_ATTR__ATIME', recursive: true },
  rnosymfollow: { set: 'MOUNT_ATTR_NOSYMFOLLOW', recursive: true },
  rsymfollow: { clear: 'MOUNT_ATTR_NOSYMFOLLOW', recursive: true },
  idmap: { idmap: true },
  bind: { bind: true },
  rbind: { bind: true, recursive: true },
  private: { propagation: 'MS_PRIVATE' },
  rprivate: { propagation: 'MS_PRIVATE', recursive: true },
  slave: { propagation: 'MS_SLAVE' },
  rslave: { propagation: 'MS_SLAVE', recursive: true },
  shared: { propagation: 'MS_SHARED' },
  rshared: { propagation: 'MS_SHARED', recursive: true },
  unbindable: { propagation: 'MS_UNBINDABLE' },
  runbindable: { propagation: 'MS_UNBINDABLE', recursive: true },
};

/** A mount's options, sorted into what the mount calls take. */
export interface ParsedMountOptions {
  readonly isBind: boolean;
  readonly isRecursiveBind: boolean;
  readonly isIdMapped: boolean;
  readonly set: readonly Attribute[];
  readonly clear: readonly Attribute[];
  readonly setRecursive: readonly Attribute[];
  readonly clearRecursive: readonly Attribute[];
  readonly propagation: Propagation | undefined;
  readonly isPropagationRecursive: boolean;
  /** `key=value` and words for the filesystem itself. */
  readonly data: readonly string[];
}

export function parseMountOptions(options: readonly string[]): ParsedMountOptions {
  const set = new Set<Attribute>();
  const clear = new Set<Attribute>();
  const setRecursive = new Set<Attribute>();
  const clearRecursive = new Set<Attribute>();
  const data: string[] = [];
  let isIdMapped = false;
  let bind: MountOption | undefined;
  let propagation: MountOption | undefined;
  for (const word of options) {
    const option = Object.hasOwn(MOUNT_OPTIONS, word) ? MOUNT_OPTIONS[word] : undefined;
    if (option === undefined) data.push(word);
    else if (option.idmap === true) isIdMapped = true;
    else if (option.bind === true) bind = option;
    else if (option.propagation !== undefined) propagation = option;
    else {
      // The last word wins, as with mount(8): "ro,rw" is writable.
      const [on, off] = option.recursive === true ? [setRecursive, clearRecursive] : [set, clear];
      if (option.clear !== undefined) move(option.clear, on, off);
      if (option.set !== undefined) move(option.set, off, on);
    }
  }
  return {
    isBind: bind !== undefined,
    isRecursiveBind: bind?.recursive === true,
    isIdMapped,
    set: [...set],
    clear: [...clear],
    setRecursive: [...setRecursive],
    clearRecursive: [...clearRecursive],
    propagation: propagation?.propagation,
    isPropagationRecursive: propagation?.recursive === true,
    data,
  };
}

function move<T>(item: T, from: Set<T>, to: Set<T>): void {
  from.delete(item);
  to.add(item);
}

/** MS_REC|MS_… for `mount(NULL, path, NULL, flags)` from a propagation word such as `rslave`. */
export function propagationFlags(word: string): readonly (keyof typeof MS)[] | undefined {
  const option = Object.hasOwn(MOUNT_OPTIONS, word) ? MOUNT_OPTIONS[word] : undefined;
  if (option?.propagation === undefined) return undefined;
  return option.recursive === true ? ['MS_REC', option.propagation] : [option.propagation];
}
