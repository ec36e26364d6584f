import { UserError } from '../base/errors.ts';
import { ERRNO } from '../linux/constants.generated.ts';
import { describeErrno } from '../linux/errno.ts';
import { ProgramError } from '../native/execute.ts';

/**
 * What a driver reads of a program that failed: podman tells "executable file not found in" (127) and "permission denied"
 * (126) from other errors by these words of runc's.
 */
export function programFailure(error: unknown, command: string): unknown {
  if (!(error instanceof ProgramError)) return error;
  const { program, report, errno } = error;
  const isLookup = ({ name, phase }: (typeof program.instructions)[number]): boolean =>
    name === 'faccessat2' || name === 'execve' || phase === 'command';
  const at = program.instructions[report.pc];
  if (at === undefined || !isLookup(at)) {
    const field = FIELDS.find(([phase]) => at?.phase === phase)?.[1];
    return new UserError(`${field === undefined ? '' : `${field}: `}${error.message}`, { cause: error });
  }
  const isDenied = program.instructions.some((one, pc) => {
    const result = report.result(pc);
    // A directory was opened: execve(2) says EACCES of one.
    return isLookup(one) && (-result === ERRNO.EACCES || (one.name === 'openat' && result > 0));
  });
  const text = isDenied
    ? 'permission denied'
    : errno !== ERRNO.ENOENT
      ? describeErrno(errno)
      : command.includes('/')
        ? 'no such file or directory'
        : 'executable file not found in $PATH';
  return new UserError(`exec: ${JSON.stringify(command)}: ${text}`, { cause: error });
}

/** The config's words for the program's phases. */
const FIELDS: readonly (readonly [string, string])[] = [
  ['limits', 'process.rlimits'],
  ['scheduler', 'process.scheduler'],
  ['io priority', 'process.ioPriority'],
  ['oom score', 'process.oomScoreAdj'],
  ['working directory', 'process.cwd'],
  ['time offsets', 'linux.timeOffsets'],
  ['AppArmor', 'process.apparmorProfile'],
  ['SELinux', 'process.selinuxLabel'],
  ['seccomp', 'linux.seccomp'],
  ['masked paths', 'linux.maskedPaths'],
  ['read-only paths', 'linux.readonlyPaths'],
  ['mounts', 'mounts'],
];
