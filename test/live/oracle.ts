import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ImageStore } from '../../src/image/store.ts';
import { makeFile } from '../../src/native/exact-mode.ts';
import type { OciConfig, OciMount } from '../../src/oci/config.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import type { Report } from './harness.ts';
import { shellCommand, underTerminal } from './terminal.ts';

/** A report as paths and values, without what differs from run to run. */
export type Normal = ReadonlyMap<string, string>;

export interface Difference {
  readonly path: string;
  readonly mine: string | undefined;
  readonly theirs: string | undefined;
}

/** A command in a view of the machine that has cgroup v2 only: Debian's crun refuses one that has both. */
function viewed(command: readonly string[]): readonly string[] {
  const script = 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"';
  return existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? command
    : ['unshare', '-m', 'sh', '-c', script, 'sh', ...command];
}

/** Runs it so. It never reads /dev/null, which crun would give to the container's user. */
export function inView(command: readonly string[], input = ''): string {
  const [first = '', ...args] = viewed(command);
  const { status, stdout, stderr } = spawnSync(first, args, { input, encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) throw new Error(`${command.join(' ')}: ${status} ${stdout}${stderr}`);
  return stdout;
}

const TIMEOUT = ['timeout', '--foreground', '30'];

/**
 * The same under a terminal. Its input does not end before the command: the terminal would echo the end-of-file character
 * (`^D`, or `^@` while a runtime has it raw) into the guest's words.
 */
export async function onTerminal(command: readonly string[]): Promise<string> {
  const { status, output } = await underTerminal(
    shellCommand(viewed([...TIMEOUT, ...command])),
    async () => {},
  );
  if (status !== 0) throw new Error(`${command.join(' ')}: ${status} ${output}`);
  return output;
}

/** The bundle's config: what of a pod exists only while it runs is replaced by the like. */
function standalone(config: OciConfig, hostname: string, directory: string, isTerminal: boolean): object {
  const mounts = config.mounts.map((mount): OciMount => {
    if (mount.source.startsWith(DEFAULT_ROOTS.run)) {
      const options = ['nosuid', 'noexec', 'nodev', 'mode=1777'];
      if (mount.source.endsWith('/shm')) options.push('size=65536k');
      if (mount.options.includes('ro')) options.push('ro');
      return { ...mount, type: 'tmpfs', source: 'tmpfs', options };
    }
    if (!mount.source.startsWith(DEFAULT_ROOTS.state)) return mount;
    const source = join(directory, mount.source.replaceAll('/', '_'));
    if (mount.destination.startsWith('/etc/')) writeFileSync(source, '');
    else if (mount.destination === '/dev/termination-log') makeFile(source, 0o666);
    else mkdirSync(source, { recursive: true });
    return { ...mount, source };
  });
  const [path = '', ...env] = config.process.env;
  return {
    ...config,
    ...(config.linux.namespaces.some(({ type }) => type === 'uts') ? { hostname } : {}),
    root: { ...config.root, path: join(directory, 'rootfs') },
    // `compile` knows nothing of the caller's terminal.
    process: isTerminal
      ? { ...config.process, terminal: true, env: [path, 'TERM=xterm', ...env] }
      : config.process,
    mounts,
    linux: {
      ...config.linux,
      namespaces: config.linux.namespaces.map(({ type }) => ({ type })),
      cgroupsPath: '/podspace-oracle',
      resources: { devices: [{ allow: true, access: 'rwm' }] },
    },
  };
}

/** runc 1.1 knows no flags; what a filter answers does not depend on them. */
export function withoutFlags(config: OciConfig): OciConfig {
  const { flags: _, ...seccomp } = config.linux.seccomp ?? {};
  const { seccomp: old, ...linux } = config.linux;
  return old === undefined ? config : { ...config, linux: { ...linux, seccomp: seccomp as typeof old } };
}

/** Makes a directory a bundle: config.json and a copy of the image's root. */
export function makeBundle(
  directory: string,
  image: string,
  config: OciConfig,
  hostname: string,
  isTerminal: boolean,
): void {
  const store = new ImageStore(DEFAULT_ROOTS.state);
  const found = store.get(image);
  if (found === undefined) throw new Error(`no image ${image}`);
  execFileSync('cp', [
    '-a',
    join(DEFAULT_ROOTS.state, store.layers(found)[0] ?? ''),
    join(directory, 'rootfs'),
  ]);
  // What podspace does with an id-mapped mount.
  const base = config.linux.uidMappings?.[0]?.hostID;
  if (base !== undefined) execFileSync('chown', ['-R', `${base}:${base}`, join(directory, 'rootfs')]);
  writeFileSync(
    join(directory, 'config.json'),
    JSON.stringify(standalone(config, hostname, directory, isTerminal)),
  );
}

/** Mount points whose files come from a directory of the caller's: which filesystem that is on is no matter. */
const FILE_TREES = /^\/$|^\/etc\/|^\/[vwh]$|termination-log$/;

/** One line of mountinfo, proc_pid_mountinfo(5): the part of the mount itself, not of where its files come from. */
function describeMount(line: string): readonly [target: string, description: string] {
  const [left = '', right = ''] = line.split(' - ');
  const [, , , root = '', target = '', options = '', ...tags] = left.split(' ');
  const [type = '', , superOptions = ''] = right.split(' ');
  const sorted = (text: string): string => text.split(',').sort().join(',');
  const propagation = tags.map(tag => tag.replace(/:.*/, '')).join(' ');
  const isTree = FILE_TREES.test(target);
  // Filesystems show the host's numbers; the ranges of two runs differ, their bases are multiples of this.
  const own = superOptions.replace(
    /\b([ug]id)=(\d+)/g,
    (_, key: string, id: string) => `${key}=${Number(id) % 65536}`,
  );
  const what = isTree ? 'file tree' : `${type}${/^\/(proc|sys)\//.test(target) ? ` ${root}` : ''}`;
  const words = [what, sorted(options), propagation, isTree ? '' : `(${sorted(own)})`];
  return [target, words.filter(word => word !== '').join(' ')];
}

/** By target; what is mounted over something else stands after it. */
function describeMounts(lines: readonly string[]): Readonly<Record<string, string>> {
  const mounts: Record<string, string> = {};
  for (const [target, description] of lines.map(describeMount))
    mounts[target] = mounts[target] === undefined ? description : `${mounts[target]} + ${description}`;
  return mounts;
}

export const hostNamespace = (type: string): string => readlinkSync(`/proc/self/ns/${type}`);

/** Of namespaces only "the machine's or another" is compared. */
export function normalise(report: Report): Normal {
  const { mounts, namespaces, fds, processes, pid, ppid, sid, pgid, cgroup, ...rest } = report;
  const isHostPid = namespaces.pid === hostNamespace('pid');
  const tree = {
    ...rest,
    // With the machine's PIDs the numbers are anybody's.
    ...(isHostPid ? {} : { processes, pid, ppid, sid, pgid }),
    isSessionLeader: sid === pid,
    cgroup: /^0::(.*)$/m.exec(cgroup)?.[1]?.replace(/\/podspace(\/[0-9a-f-]+\/probe|-oracle)$/, '/(its own)'),
    // What the fds are is the caller's business: podspace's are pipes, the others pass theirs on.
    fds: Object.keys(fds).join(' '),
    mounts: describeMounts(mounts),
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
    return [[path, typeof value === 'string' ? value : JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) =>
    flatten(path === '' ? key : `${path}.${key}`, inner),
  );
}

export function differences(mine: Normal, theirs: Normal): readonly Difference[] {
  return [...new Set([...mine.keys(), ...theirs.keys()])]
    .filter(path => mine.get(path) !== theirs.get(path))
    .map(path => ({ path, mine: mine.get(path), theirs: theirs.get(path) }));
}
