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

/** All of the machine's, the v2 one first. */
export function hierarchies(): readonly Hierarchy[] {
  const found = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line): Hierarchy[] => {
      const fields = line.split(' ');
      const dash = fields.indexOf('-');
      const [mount = '', type = '', data = ''] = [fields[4], fields[dash + 1], fields[dash + 3]];
      if (mount !== ROOT && !mount.startsWith(`${ROOT}/`)) return [];
      if (type === 'cgroup2') return [{ mount, version: 2 as const, controllers: enabled(mount) }];
      return type === 'cgroup' ? [{ mount, version: 1 as const, controllers: named(data) }] : [];
    });
  const unique = found.filter(({ mount }, i) => found.findIndex(one => one.mount === mount) === i);
  return unique.sort((a, b) => b.version - a.version);
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
