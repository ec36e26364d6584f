import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One mounted cgroup hierarchy, cgroups(7). */
export interface Hierarchy {
  readonly mount: string;
  readonly version: 1 | 2;
  /** `cpu`, `memory`; `name=systemd` is one of its own. */
  readonly controllers: readonly string[];
}

const ROOT = '/sys/fs/cgroup';

/** All of the machine's that can be reached, the v2 one first: what is mounted later hides what is at and below its place. */
export function hierarchies(): readonly Hierarchy[] {
  const seen = new Map<string, () => Hierarchy>();
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    const [mount = '', type = '', data = ''] = [fields[4], fields[dash + 1], fields[dash + 3]];
    if (mount !== ROOT && !mount.startsWith(`${ROOT}/`)) continue;
    for (const other of seen.keys()) if (other === mount || other.startsWith(`${mount}/`)) seen.delete(other);
    if (type === 'cgroup2')
      seen.set(mount, () => ({ mount, version: 2 as const, controllers: enabled(mount) }));
    else if (type === 'cgroup')
      seen.set(mount, () => ({ mount, version: 1 as const, controllers: named(data) }));
  }
  return [...seen.values()].map(read => read()).sort((a, b) => b.version - a.version);
}

/** The superblock's options name the controllers. */
const named = (data: string): readonly string[] =>
  data.split(',').filter(word => !/^(rw|ro|release_agent=.*|xattr|clone_children|noprefix)$/.test(word));

function enabled(mount: string): readonly string[] {
  const text = readFileSync(join(mount, 'cgroup.controllers'), 'utf8').trim();
  return text === '' ? [] : text.split(' ');
}

/** Who has a controller: v2 has it, or one of v1's. */
export function hierarchyOf(all: readonly Hierarchy[], controller: string): Hierarchy | undefined {
  return all.find(({ controllers }) => controllers.includes(controller));
}

export const pathIn = ({ mount }: Hierarchy, cgroupsPath: string): string => join(mount, cgroupsPath);
