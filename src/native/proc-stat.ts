import { readFileSync } from 'node:fs';
import { errnoCode } from '../base/errors.ts';

/** What proc_pid_stat(5) tells of a process. */
export interface ProcStat {
  /** One letter: `R`, `S`, `D`, `Z`, … */
  readonly state: string;
  readonly parent: number;
  /** User and system time, in clock ticks. */
  readonly ticks: number;
  /** Clock ticks after boot, as a text that is only compared: with the pid it names a process for good. */
  readonly startTime: string;
}

/** Of /proc/PID/stat; undefined if there is no such process. */
export function readProcStat(pid: number): ProcStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoCode(error) ?? '')) return undefined;
    throw error;
  }
  // The second field is the name, which may hold anything: fields are counted from behind it, the third is the first here.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): string => fields[number - 3] ?? '';
  return {
    state: field(3),
    parent: Number(field(4)),
    ticks: Number(field(14)) + Number(field(15)),
    startTime: field(22),
  };
}
