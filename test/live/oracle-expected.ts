import type { Difference } from './oracle.ts';

export const RUNTIMES = { crun: ['crun', '--cgroup-manager=disabled'], runc: ['runc'] } as const;
export type Runtime = keyof typeof RUNTIMES;
export const BOTH = ['crun', 'runc'] as const;
const ABSENT = '(absent)';

interface Expected {
  readonly of: readonly Runtime[];
  readonly path: RegExp;
  readonly mine: RegExp;
  readonly theirs: RegExp;
  readonly why: string;
}

/** Differences that are meant. One that is not here fails, and so does one that has gone. */
const EXPECTED: readonly Expected[] = [
  {
    of: BOTH,
    path: /^interfaces\.eth0$/,
    mine: /^up$/,
    theirs: /^\(absent\)$/,
    why: 'a network is what a CNI plugin adds to their namespace',
  },
  {
    of: BOTH,
    path: /^deathSignal$/,
    mine: /^9$/,
    theirs: /^0$/,
    why: 'an attached container must not outlive podspace; the others detach',
  },
  {
    of: BOTH,
    path: /^mounts\.\/(proc|sys)\/(acpi|asound|scsi|firmware|devices\/.*)$/,
    mine: /^tmpfs \/ nodev,noexec,nosuid,relatime,ro \((gid=0,rw,uid=0|rw)\)$/,
    theirs: /^tmpfs \/ relatime,ro /,
    why: 'the tmpfs that masks a directory also is nosuid, nodev and noexec',
  },
  {
    of: ['crun'],
    path: /^mounts\.\/proc\/(bus|fs|irq|sys|sysrq-trigger)$/,
    mine: /^proc \S+ nodev,noexec,nosuid,relatime,ro \(rw\)$/,
    theirs: /^proc \S+ relatime,ro \(rw\)$/,
    why: 'crun binds read-only paths without the flags that /proc has',
  },
  {
    of: ['crun'],
    path: /^mounts\.\/dev\/console$/,
    mine: /^devpts noexec,nosuid,relatime,rw /,
    theirs: /^devpts relatime,rw /,
    why: 'crun binds the terminal without the flags that /dev/pts has',
  },
  {
    of: ['crun'],
    path: /^cgroup$/,
    mine: /^\/\(its own\)$/,
    theirs: /^\/$/,
    why: 'crun is told to leave cgroups alone, which shows where the machine’s cgroup namespace is kept',
  },
  {
    of: ['runc'],
    path: /^mounts\.\/proc\/(interrupts|kcore|keys|latency_stats|timer_list|timer_stats|sched_debug)$/,
    mine: /^devtmpfs \/null relatime,ro /,
    theirs: /^(dev)?tmpfs \/null \S*\brw /,
    why: 'runc masks with the container’s own /dev/null, writable; podspace with the machine’s (CVE-2025-31133)',
  },
  {
    of: ['runc'],
    path: /^mounts\.\/sys$/,
    mine: /^sysfs nodev,noexec,nosuid,relatime,ro \(rw\)$/,
    theirs: /^sysfs nodev,noexec,nosuid,relatime,ro \(ro\)$/,
    why: 'runc makes the filesystem read-only, podspace the mount of it',
  },
  {
    of: BOTH,
    path: /^mounts\.\/dev\/shm$/,
    mine: /^tmpfs idmapped,/,
    theirs: /^tmpfs nodev,/,
    why: 'the pod’s is a mount of podspace’s with the pod’s ids, theirs a new one',
  },
  {
    of: ['runc'],
    path: /^mounts\.\/(etc\/.*|v|dev\/termination-log)$/,
    mine: /^file tree idmapped,/,
    theirs: /^file tree relatime,/,
    why: 'Debian’s runc does not map the ids of mounts',
  },
  {
    of: ['crun'],
    path: /^mounts\.\/dev\/(null|zero|full|random|urandom|tty)$/,
    mine: /^devtmpfs noexec,nosuid,/,
    theirs: /^tmpfs relatime,rw \(rw\) \+ devtmpfs noexec,nosuid,/,
    why: 'in a user namespace crun binds an empty file of its own below the device',
  },
  {
    of: ['runc'],
    path: /^mounts\.\/dev\/.*$/,
    mine: /^devtmpfs noexec,nosuid,/,
    theirs: /^devtmpfs relatime,/,
    why: 'in a user namespace runc binds devices without nosuid and noexec',
  },
  {
    of: ['runc'],
    path: /^devices\.mqueue\.gid$/,
    mine: /^0$/,
    theirs: /^65534$/,
    why: 'runc makes it before it is a group of the user namespace',
  },
  {
    of: ['runc'],
    path: /^devices\.termination-log\.[ug]id$/,
    mine: /^0$/,
    theirs: /^65534$/,
    why: 'Debian’s runc does not map the ids of mounts',
  },
  {
    of: ['runc'],
    path: /^devices\.core\./,
    mine: /^(link|0777|0|\/proc\/kcore)$/,
    theirs: /^\(absent\)$/,
    why: 'runc leaves /dev/core out',
  },
  {
    of: ['runc'],
    path: /^mounts\./,
    mine: / shared( \(.*\))?$/,
    theirs: /^(?!.* shared)/,
    why: 'Debian’s runc makes only the volume shared, not the root that it is mounted in (rootfsPropagation)',
  },
];

const seen = new Set<string>();
const key = (runtime: Runtime, { path }: Expected): string => `${runtime} ${path}`;

export function isExpected(runtime: Runtime, { path, mine = ABSENT, theirs = ABSENT }: Difference): boolean {
  const row = EXPECTED.find(
    each =>
      each.of.includes(runtime) && each.path.test(path) && each.mine.test(mine) && each.theirs.test(theirs),
  );
  if (row !== undefined) seen.add(key(runtime, row));
  return row !== undefined;
}

/** The rows of that runtime that no pod has met. */
export function unmet(runtime: Runtime): readonly string[] {
  return EXPECTED.filter(row => row.of.includes(runtime) && !seen.has(key(runtime, row))).map(
    ({ why }) => why,
  );
}
