import { ERRNO } from '../../linux/constants.generated.ts';
import type { OciSeccomp, OciSyscallRule } from '../config.ts';
import { NEW_NAMESPACES } from '../seccomp/default-profile.ts';
import { FIRST_ARGUMENT_CALLS, type ObservedCall } from './observation.ts';

const words = (text: string): readonly string[] => text.split(/\s+/);

/** What a runtime itself still calls behind the filter, before the container's own program: podspace, crun, runc (a Go program). */
const RUNTIMES =
  words(`capget capset chdir clone close close_range dup3 epoll_create1 epoll_ctl epoll_pwait eventfd2 execve exit
  exit_group faccessat2 fchown fcntl fstat fstatfs futex getcwd getdents64 getpid getppid gettid getuid ioctl lseek lstat
  madvise mmap mprotect munmap nanosleep newfstatat openat openat2 pipe2 prctl pread64 prlimit64 read readlinkat
  rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield setgid setgroups setresgid setresuid setsid
  setuid sigaltstack stat statfs statx tgkill umask unlinkat write`);

/** What libc calls only on some machines: clocks that the vDSO cannot read, and calls that a signal interrupted. */
const LIBC = words('clock_getres clock_gettime getcpu gettimeofday restart_syscall rt_sigreturn time');

const allow = (names: readonly string[], args?: OciSyscallRule['args']): OciSyscallRule => ({
  names,
  action: 'SCMP_ACT_ALLOW',
  ...(args === undefined ? {} : { args }),
});

/** A profile that allows what was seen, and what a runtime needs to start the container; anything else fails with EPERM. */
export function observedProfile(calls: readonly ObservedCall[]): OciSeccomp {
  const byArgument: ReadonlySet<string> = new Set(FIRST_ARGUMENT_CALLS);
  const names = calls.map(({ name }) => name).filter(name => !byArgument.has(name) && !name.startsWith('#'));
  const plain = [...new Set([...names, ...RUNTIMES, ...LIBC])].filter(name => !byArgument.has(name)).sort();
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: ERRNO.EPERM,
    architectures: [...new Set(calls.map(({ architecture }) => architecture))].sort(),
    syscalls: [
      allow(plain),
      ...equalities('socket', argumentsOf(calls, 'socket')),
      ...equalities('personality', argumentsOf(calls, 'personality')),
      ...cloneRules(argumentsOf(calls, 'clone'), argumentsOf(calls, 'clone3')),
    ],
  };
}

/** Undefined if it was never called. */
function argumentsOf(calls: readonly ObservedCall[], name: string): readonly number[] | undefined {
  const found = calls.filter(call => call.name === name);
  return found.length === 0 ? undefined : found.flatMap(({ firstArguments }) => firstArguments);
}

function equalities(name: string, values: readonly number[] | undefined): readonly OciSyscallRule[] {
  if (values === undefined) return [];
  // Called by a program of another architecture, whose arguments are not watched.
  if (values.length === 0) return [allow([name])];
  return [...new Set(values)].map(value => allow([name], [{ index: 0, value, op: 'SCMP_CMP_EQ' }]));
}

/** As RuntimeDefault: clone without new namespaces, and clone3, whose flags no filter can see, as if there were none. */
function cloneRules(
  clone: readonly number[] | undefined,
  clone3: readonly number[] | undefined,
): readonly OciSyscallRule[] {
  const isForNamespaces = [...(clone ?? []), ...(clone3 ?? [])].some(
    flags => (BigInt(flags) & BigInt(NEW_NAMESPACES)) !== 0n,
  );
  if (isForNamespaces) return [allow(['clone', 'clone3'])];
  return [
    allow(['clone'], [{ index: 0, value: NEW_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]),
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ERRNO.ENOSYS },
  ];
}
