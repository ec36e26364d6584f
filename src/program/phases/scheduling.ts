import { IOPRIO } from '../../linux/constants.generated.ts';
import {
  IO_PRIORITY_CLASSES,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
  type SchedulerFlag,
} from '../../linux/scheduling.ts';
import type { OciProcess, OciScheduler } from '../../oci/config.ts';
import { flags, named, num, type ProgramBuilder } from '../builder.ts';

const RESET: SchedulerFlag = 'SCHED_FLAG_RESET_ON_FORK';

/** Before the identity, which takes CAP_SYS_NICE away; a clone that is still to come hands both on. */
export function setScheduling(
  b: ProgramBuilder,
  { scheduler, ioPriority }: OciProcess,
  isCloned: boolean,
): void {
  if (scheduler !== undefined) {
    b.phase('scheduler');
    const { policy, nice, priority } = scheduler;
    const text = `{${policy}, nice=${nice}, priority=${priority}}`;
    b.call('sched_setattr', [
      num(0),
      b.bytes(schedulingAttributes(scheduler, isCloned ? without(scheduler.flags) : scheduler.flags), text),
      num(0),
    ]);
  }
  if (ioPriority !== undefined) {
    b.phase('io priority');
    const { class: name, priority } = ioPriority;
    const value = (IO_PRIORITY_CLASSES[name] << IOPRIO.IOPRIO_CLASS_SHIFT) | priority;
    const who = flags(IOPRIO, 'IOPRIO_WHO_PROCESS');
    b.call('ioprio_set', [who, num(0), named(value, `${name}<<${IOPRIO.IOPRIO_CLASS_SHIFT}|${priority}`)]);
  }
}

const without = (flags: readonly SchedulerFlag[]): readonly SchedulerFlag[] =>
  flags.filter(flag => flag !== RESET);

/** After the clone, which was not to reset anything; whoever asks for no more than it has needs no capability. */
export function resetOnFork(b: ProgramBuilder, { scheduler }: OciProcess): void {
  if (scheduler?.flags.includes(RESET) !== true) return;
  b.phase('scheduler');
  b.call('sched_setattr', [
    num(0),
    b.bytes(schedulingAttributes(scheduler, scheduler.flags), `{${RESET}}`),
    num(0),
  ]);
}

/** struct sched_attr of linux/sched/types.h, as its first version (SCHED_ATTR_SIZE_VER0) has it. */
function schedulingAttributes(scheduler: OciScheduler, flags: readonly SchedulerFlag[]): Uint8Array {
  const bytes = new Uint8Array(48);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint32(4, SCHEDULER_POLICIES[scheduler.policy], true);
  view.setBigUint64(8, BigInt(flags.reduce((bits, flag) => bits | SCHEDULER_FLAGS[flag], 0)), true);
  view.setInt32(16, scheduler.nice, true);
  view.setUint32(20, scheduler.priority, true);
  view.setBigUint64(24, BigInt(scheduler.runtime), true);
  view.setBigUint64(32, BigInt(scheduler.deadline), true);
  view.setBigUint64(40, BigInt(scheduler.period), true);
  return bytes;
}
