import type { OciProcess } from '../oci/config.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';
import type { ProgramBuilder } from './builder.ts';
import { findCommand, waitForStart } from './phases/gate.ts';
import {
  becomeSessionLeader,
  checkWorkingDirectory,
  clearAmbient,
  dieWithParent,
  enterWorkingDirectory,
  execute,
  notEntered,
  raiseAmbient,
  raiseSysAdmin,
  setCapabilities,
  setIdentity,
  setIds,
  setLimits,
  setUmask,
  unblockSignals,
} from './phases/process.ts';
import { resetOnFork, setScheduling } from './phases/scheduling.ts';
import { installAuditFilter, installFilter } from './phases/seccomp.ts';
import type { Gate } from './plan.ts';
import type { DataOperand, Operand } from './program.ts';

interface Ending {
  readonly filter: SeccompFilter | 'audit' | undefined;
  /** The rest runs in a sibling, in the PID namespace. */
  readonly needsClone: boolean;
  /** It may outlive who starts it. */
  readonly isDetachable: boolean;
  /** It waits before the execve. */
  readonly gate?: Gate | undefined;
  /** A socket that is still there, for the listener of a filter that has one. */
  readonly agent?: Operand | undefined;
}

/** The end of every program: from root of the host, inside the container, to the payload. */
export function becomeProcess(b: ProgramBuilder, process: OciProcess, ending: Ending): void {
  const { filter, needsClone, isDetachable, gate, agent } = ending;
  setLimits(b, process);
  setScheduling(b, process, needsClone);
  b.phase('working directory');
  const entered = notEntered(b);
  enterWorkingDirectory(b, process.cwd, entered);
  if (filter !== undefined && !process.noNewPrivileges) {
    becomeFilteredWithPrivileges(b, process, filter, entered, ending);
    return;
  }
  setIdentity(b, process);
  enterWorkingDirectory(b, process.cwd, entered);
  checkWorkingDirectory(b, entered);
  if (needsClone) {
    b.clone(gate !== undefined);
    resetOnFork(b, process);
  }
  becomeSessionLeader(b, process.terminal);
  if (!isDetachable) dieWithParent(b);
  setUmask(b, process);
  if (gate !== undefined) findCommand(b, process);
  // Who made it must hand the listener on, and is there only until it waits.
  const isEarly = hasListener(filter);
  if (!isEarly && gate !== undefined) waitForStart(b, gate);
  unblockSignals(b);
  // With no_new_privs anybody may: a profile must allow execve, and nothing else of what is done here.
  if (filter !== undefined) installEither(b, filter, agent);
  if (isEarly && gate !== undefined) waitForStart(b, gate);
  execute(b, process);
}

const hasListener = (filter: Ending['filter']): boolean =>
  filter !== 'audit' && filter?.listener !== undefined;

function installEither(b: ProgramBuilder, filter: SeccompFilter | 'audit', agent: Operand | undefined): void {
  if (filter !== 'audit') installFilter(b, filter, filter.listener === undefined ? undefined : agent);
  else if (agent === undefined) throw new Error('bug in podspace: nobody gets the listener of an audit');
  else installAuditFilter(b, agent);
}

/** For `start`, where there is one to wait for; before the filter, which need not allow it. */
function wait(b: ProgramBuilder, process: OciProcess, gate: Gate | undefined): void {
  if (gate === undefined) return;
  findCommand(b, process);
  waitForStart(b, gate);
}

/**
 * Without no_new_privs only CAP_SYS_ADMIN may install a filter, which the process must not keep: the last capset comes
 * after it. A profile must allow capset and execve; and, where the program goes on in a sibling, which must have no more
 * privileges than the untrusted processes that see it, what that one has left to do: clone, setsid, prctl, the ioctl for a
 * terminal, and exit_group for the first process. (prctl also where there are ambient capabilities.)
 */
function becomeFilteredWithPrivileges(
  b: ProgramBuilder,
  process: OciProcess,
  filter: SeccompFilter | 'audit',
  entered: DataOperand,
  { needsClone, isDetachable, gate, agent }: Ending,
): void {
  setIds(b, process);
  clearAmbient(b);
  enterWorkingDirectory(b, process.cwd, entered);
  checkWorkingDirectory(b, entered);
  const lead = (): void => {
    becomeSessionLeader(b, process.terminal);
    if (!isDetachable) dieWithParent(b);
  };
  if (!needsClone) lead();
  setUmask(b, process);
  const isEarly = hasListener(filter);
  if (!needsClone && !isEarly) wait(b, process, gate);
  else if (!needsClone && gate !== undefined) findCommand(b, process);
  unblockSignals(b);
  raiseSysAdmin(b, process);
  installEither(b, filter, agent);
  setCapabilities(b, process);
  raiseAmbient(b, process);
  if (needsClone) {
    b.clone(gate !== undefined);
    resetOnFork(b, process);
    lead();
    wait(b, process, gate);
  } else if (isEarly && gate !== undefined) waitForStart(b, gate);
  execute(b, process);
}
