import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import { type ContainerRecord, findPods, type PodRecord } from '../../runtime/pod-directory.ts';
import { containerUsage } from '../../runtime/usage.ts';
import { requirePods } from '../asked-pod.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { requireRoot } from '../root.ts';
import { formatTable } from '../table.ts';
import { podName } from './pod-names.ts';

/** How long processor time is looked at, in milliseconds. */
const WINDOW = 500;
const MEBI = 1 << 20;

/** What a container, or all of a pod, uses. */
interface Used {
  readonly record: PodRecord;
  readonly container: string;
  readonly millicores: number;
  readonly bytes: number;
}

/** `top pod [NAME]`: also of pods that `podspace run` runs. */
export async function top(args: Args, io: Io): Promise<number> {
  requireRoot();
  const [what = '', word, ...more] = texts(args, 'object');
  if (!['pod', 'pods', 'po'].includes(what))
    throw new UserError(`unknown command ${JSON.stringify(what)}`, { hint: 'podspace top pod [NAME]' });
  if (more.length > 0) throw new UserError(`unexpected argument "${more[0]}"`);
  const isAll = flag(args, 'all-namespaces');
  const asked = word === undefined ? undefined : podName(args, word);
  const namespace = asked?.namespace ?? text(args, 'namespace') ?? 'default';
  await requirePods(args, io, { verb: 'list', ...(isAll ? {} : { namespace }) });
  const records = findPods(io.roots).flatMap(({ isAlive, record }) => {
    const isMeant = record !== undefined && (isAll || record.namespace === namespace);
    return isAlive && isMeant && (asked === undefined || record.name === asked.name) ? [record] : [];
  });
  if (records.length === 0) {
    if (asked !== undefined) throw new UserError(`pods "${asked.name}" not found`);
    io.err(isAll ? 'No resources found\n' : `No resources found in ${namespace} namespace.\n`);
    return 0;
  }
  const used = await usageOf(records);
  const isByContainer = flag(args, 'containers');
  const rows = sorted(args, isByContainer ? used : records.map(record => total(record, used)));
  const header = [
    ...(isAll ? ['NAMESPACE'] : []),
    ...(isByContainer ? ['POD', 'NAME'] : ['NAME']),
    'CPU(cores)',
    'MEMORY(bytes)',
  ];
  const lines = rows.map(({ record, container, millicores, bytes }) =>
    [
      ...(isAll ? [record.namespace] : []),
      record.name,
      ...(isByContainer ? [container] : []),
      `${millicores}m`,
      `${Math.floor(bytes / MEBI)}Mi`,
    ].map(printable),
  );
  io.out(formatTable(args.values.headers === false ? lines : [header, ...lines]));
  return 0;
}

/** Looks twice: what has been used in between. */
async function usageOf(records: readonly PodRecord[]): Promise<readonly Used[]> {
  const before = new Map<ContainerRecord, number>();
  const begin = performance.now();
  const all = records.flatMap(record => record.containers.map(container => ({ record, container })));
  for (const { container } of all) {
    const usage = containerUsage(container);
    if (usage !== undefined) before.set(container, usage.cpuMicroseconds);
  }
  await delay(WINDOW);
  const milliseconds = performance.now() - begin;
  return all.flatMap(({ record, container }) => {
    const [usage, cpu] = [containerUsage(container), before.get(container)];
    if (usage === undefined || cpu === undefined) return [];
    const millicores = Math.max(0, Math.ceil((usage.cpuMicroseconds - cpu) / milliseconds));
    return [{ record, container: container.name, millicores, bytes: usage.memoryBytes }];
  });
}

function total(record: PodRecord, used: readonly Used[]): Used {
  const own = used.filter(each => each.record === record);
  return {
    record,
    container: '',
    millicores: own.reduce((sum, { millicores }) => sum + millicores, 0),
    bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

const ORDERS: Readonly<Record<string, (one: Used, other: Used) => number>> = {
  cpu: (one, other) => other.millicores - one.millicores,
  memory: (one, other) => other.bytes - one.bytes,
};

function sorted(args: Args, used: readonly Used[]): readonly Used[] {
  const keyOf = ({ record, container }: Used): string => `${record.namespace}\0${record.name}\0${container}`;
  const byName = (one: Used, other: Used): number => (keyOf(one) < keyOf(other) ? -1 : 1);
  return [...used].sort(ORDERS[text(args, 'sort-by') ?? ''] ?? byName);
}
