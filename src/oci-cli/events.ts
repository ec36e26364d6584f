import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import { hierarchies, hierarchyOf, pathIn } from './hierarchies.ts';
import type { ContainerRecord } from './state.ts';

/** One line of `events --stats`, in runc's form, from whichever hierarchy has the controller. */
export function statsText({ id, cgroupsPath }: ContainerRecord): string {
  const all = hierarchies();
  const read = (controller: string, ...names: readonly string[]): string | undefined => {
    const hierarchy = hierarchyOf(all, controller);
    for (const name of names)
      try {
        if (hierarchy !== undefined)
          return readFileSync(join(pathIn(hierarchy, cgroupsPath), name), 'utf8').trim();
      } catch {
        // the other version's name
      }
    return undefined;
  };
  const number = (text: string | undefined): number =>
    text === undefined || text === 'max' ? 0 : Number(text);
  const field = (text: string | undefined, name: string): number =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text ?? '')?.[1] ?? 0);
  const cpuStat = read('cpu', 'cpu.stat');
  const total = read('cpuacct', 'cpuacct.usage');
  const memoryStat = read('memory', 'memory.stat');
  const current = read('pids', 'pids.current');
  if (current === undefined && memoryStat === undefined && cpuStat === undefined)
    throw new UserError('container not running');
  const data = {
    cpu: {
      usage: { total: total === undefined ? field(cpuStat, 'usage_usec') * 1000 : Number(total) },
      throttling: {
        periods: field(cpuStat, 'nr_periods'),
        throttledPeriods: field(cpuStat, 'nr_throttled'),
      },
    },
    memory: {
      usage: {
        limit: number(read('memory', 'memory.max', 'memory.limit_in_bytes')),
        usage: number(read('memory', 'memory.current', 'memory.usage_in_bytes')),
        max: number(read('memory', 'memory.peak', 'memory.max_usage_in_bytes')),
      },
      raw: Object.fromEntries(
        (memoryStat ?? '')
          .split('\n')
          .map(line => line.split(' '))
          .flatMap(([name, text]) =>
            name === undefined || text === undefined ? [] : [[name, Number(text)] as const],
          ),
      ),
    },
    pids: { current: number(current), limit: number(read('pids', 'pids.max')) },
  };
  return `${JSON.stringify({ type: 'stats', id, data })}\n`;
}
