import type { Difference } from './oracle.ts';

interface Explained {
  readonly of: readonly ('crun' | 'runc')[];
  readonly path: RegExp;
  readonly mine: RegExp;
  readonly theirs: RegExp;
  readonly why: string;
}
const ABSENT = '(absent)';

/** What a probe sees under podspace-runtime and not under Debian's crun 1.8 or runc 1.1, and why it should. */
const EXPLAINED: readonly Explained[] = [
  {
    of: ['runc'],
    path: /^mounts\.\/(proc\/(kcore|keys)|etc\/group)$/,
    mine: /^(tmpfs \/null|file tree) relatime,ro/,
    theirs: /^(tmpfs \/null|file tree) relatime,rw/,
    why: 'what masks a file is read-only',
  },
  {
    of: ['runc'],
    path: /^mounts\.\/proc\/acpi$/,
    mine: /^tmpfs \/ nodev,noexec,nosuid,relatime,ro /,
    theirs: /^tmpfs \/ relatime,ro /,
    why: 'the tmpfs that masks a directory also is nosuid, nodev and noexec',
  },
  {
    of: ['runc'],
    path: /^mounts\.\/dev\/(null|zero|full|random|urandom|tty)$/,
    mine: /^\S+ noexec,nosuid,relatime,rw /,
    theirs: /^\S+ relatime,rw /,
    why: 'a device of the machine that is bound into a user namespace is nosuid and noexec too',
  },
  {
    of: ['runc'],
    path: /^whether it runs$/,
    mine: /^yes$/,
    theirs: /error mounting .* operation not permitted"?$/,
    why: 'runc mounts in the user namespace, where the kernel does not let it change the atime of a bind mount',
  },
];

export function isExplained(
  peer: 'crun' | 'runc',
  { path, mine = ABSENT, theirs = ABSENT }: Difference,
): boolean {
  return EXPLAINED.some(
    one => one.of.includes(peer) && one.path.test(path) && one.mine.test(mine) && one.theirs.test(theirs),
  );
}
