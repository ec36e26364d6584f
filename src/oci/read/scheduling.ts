import {
  IO_PRIORITY_CLASSES,
  type IoPriorityClass,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
  type SchedulerFlag,
  type SchedulerPolicy,
} from '../../linux/scheduling.ts';
import type { OciIoPriority, OciScheduler } from '../config.ts';
import type { Fields } from './json.ts';

const POLICIES = Object.keys(SCHEDULER_POLICIES) as SchedulerPolicy[];
const FLAGS = Object.keys(SCHEDULER_FLAGS) as SchedulerFlag[];
const CLASSES = Object.keys(IO_PRIORITY_CLASSES) as IoPriorityClass[];

/** `process.scheduler`. Which numbers go with which policy is the kernel's to say. */
export function readScheduler(fields: Fields | undefined): OciScheduler | undefined {
  if (fields === undefined) return undefined;
  const time = (key: string): number => fields.integer(key, 0, 2 ** 53) ?? 0;
  return {
    policy: fields.word('policy', POLICIES) ?? fields.fail('policy', 'is missing'),
    nice: fields.integer('nice', -20, 19) ?? 0,
    priority: fields.integer('priority', 0, 99) ?? 0,
    flags: fields.texts('flags').map((name, i) => {
      const flag = FLAGS.find(one => one === name);
      return flag ?? fields.fail(`flags[${i}]`, `${JSON.stringify(name.slice(0, 60))} is not supported`);
    }),
    runtime: time('runtime'),
    deadline: time('deadline'),
    period: time('period'),
  };
}

/** `process.ioPriority`. */
export function readIoPriority(fields: Fields | undefined): OciIoPriority | undefined {
  if (fields === undefined) return undefined;
  return {
    class: fields.word('class', CLASSES) ?? fields.fail('class', 'is missing'),
    priority: fields.integer('priority', 0, 7) ?? 0,
  };
}
