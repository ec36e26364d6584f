import { IOPRIO, SCHED } from './constants.generated.ts';

/** The runtime-spec's words of sched_setattr(2). Linux has no SCHED_ISO. */
export const SCHEDULER_POLICIES = {
  SCHED_OTHER: SCHED.SCHED_NORMAL,
  SCHED_FIFO: SCHED.SCHED_FIFO,
  SCHED_RR: SCHED.SCHED_RR,
  SCHED_BATCH: SCHED.SCHED_BATCH,
  SCHED_IDLE: SCHED.SCHED_IDLE,
  SCHED_DEADLINE: SCHED.SCHED_DEADLINE,
} as const;
export type SchedulerPolicy = keyof typeof SCHEDULER_POLICIES;

/** Those of utilisation clamps are not there: the runtime-spec has no field for the clamps themselves. */
export const SCHEDULER_FLAGS = {
  SCHED_FLAG_RESET_ON_FORK: SCHED.SCHED_FLAG_RESET_ON_FORK,
  SCHED_FLAG_RECLAIM: SCHED.SCHED_FLAG_RECLAIM,
  SCHED_FLAG_DL_OVERRUN: SCHED.SCHED_FLAG_DL_OVERRUN,
  SCHED_FLAG_KEEP_POLICY: SCHED.SCHED_FLAG_KEEP_POLICY,
  SCHED_FLAG_KEEP_PARAMS: SCHED.SCHED_FLAG_KEEP_PARAMS,
} as const;
export type SchedulerFlag = keyof typeof SCHEDULER_FLAGS;

/** ioprio_set(2). */
export const IO_PRIORITY_CLASSES = {
  IOPRIO_CLASS_RT: IOPRIO.IOPRIO_CLASS_RT,
  IOPRIO_CLASS_BE: IOPRIO.IOPRIO_CLASS_BE,
  IOPRIO_CLASS_IDLE: IOPRIO.IOPRIO_CLASS_IDLE,
} as const;
export type IoPriorityClass = keyof typeof IO_PRIORITY_CLASSES;
