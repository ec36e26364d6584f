import type { Report } from './harness.ts';

/** A report as paths and values, without what differs from run to run. */
export type Normal = ReadonlyMap<string, string>;

export interface Difference {
  readonly path: string;
  readonly mine: string | undefined;
  readonly theirs: string | undefined;
}

/** One line of mountinfo, proc_pid_mountinfo(5): the part of the mount itself, not of where its files come from. */
function describeMount(line: string): readonly [target: string, description: string] {
  const [left = '', right = ''] = line.split(' - ');
  const [, , , root = '', target = '', options = '', ...tags] = left.split(' ');
  const [type = ''] = right.split(' ');
  const isOfProc = target.startsWith('/proc/') || target.startsWith('/sys/');
  const kind = target === '/' || target.startsWith('/etc/') || /^\/[vw]$/.test(target) ? 'file tree' : type;
  const propagation = tags.map(tag => tag.replace(/:.*/, '')).join(' ');
  return [
    target,
    [kind, isOfProc ? root : '', options.split(',').sort().join(','), propagation].join(' ').trim(),
  ];
}

/** `hostNamespace` tells the machine's own namespace of a type, so that only "the machine's or another" is compared. */
export function normalise(report: Report, hostNamespace: (type: string) => string): Normal {
  const { mounts, namespaces, fds, processes: _, pid, ppid: __, cgroup: ___, ...rest } = report;
  const isHostPid = namespaces.pid === hostNamespace('pid');
  const tree = {
    ...rest,
    // With the host's PIDs the numbers are anybody's.
    pid: isHostPid ? 'any' : pid,
    sid: isHostPid ? 'any' : rest.sid,
    pgid: isHostPid ? 'any' : rest.pgid,
    // What the fds are is the caller's business: podspace's are pipes, the others pass theirs on.
    fds: Object.keys(fds).join(' '),
    mounts: Object.fromEntries(mounts.map(describeMount)),
    namespaces: Object.fromEntries(
      Object.entries(namespaces).map(([type, inode]) => [
        type,
        inode === hostNamespace(type) ? 'the machine’s' : 'another',
      ]),
    ),
  };
  return new Map(flatten('', tree));
}

function flatten(path: string, value: unknown): readonly (readonly [string, string])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) =>
    flatten(path === '' ? key : `${path}.${key}`, inner),
  );
}

export function differences(mine: Normal, theirs: Normal): readonly Difference[] {
  return [...new Set([...mine.keys(), ...theirs.keys()])]
    .filter(path => mine.get(path) !== theirs.get(path))
    .map(path => ({ path, mine: mine.get(path), theirs: theirs.get(path) }));
}
