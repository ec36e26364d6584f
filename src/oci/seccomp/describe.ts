import { ERRNO } from '../../linux/constants.generated.ts';
import { errnoName } from '../../linux/errno.ts';
import type { OciSeccomp } from '../config.ts';

/** Calls that have been ways out of a container, or into the kernel's less trodden parts. */
const DANGEROUS =
  `add_key bpf chroot clone3 delete_module finit_module init_module io_uring_enter io_uring_register
  io_uring_setup ioperm iopl kexec_file_load kexec_load keyctl mount move_mount name_to_handle_at open_by_handle_at
  open_tree perf_event_open pivot_root process_vm_readv process_vm_writev ptrace reboot request_key setns swapon syslog
  umount2 unshare userfaultfd`.split(/\s+/);

/** A filter in a few words that are the same on every machine: the listing of programs has them. */
export function summarise({ defaultAction, defaultErrnoRet, syscalls }: OciSeccomp): string {
  return `{default=${actionText(defaultAction, defaultErrnoRet)}, rules=${syscalls.length}}`;
}

function actionText(action: string, errno: number | undefined): string {
  return action === 'SCMP_ACT_ERRNO' ? `${action}(${errnoName(errno ?? ERRNO.EPERM)})` : action;
}

const PASSES = new Set(['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG']);

/** What a filter lets through, for people. */
export function describeFilter(seccomp: OciSeccomp): string {
  const { defaultAction, defaultErrnoRet, syscalls } = seccomp;
  const isDenyList = PASSES.has(defaultAction);
  const named = new Map<string, 'all' | 'some'>();
  for (const { names, action, args = [] } of syscalls) {
    if (PASSES.has(action) === isDenyList) continue;
    for (const name of names)
      if (named.get(name) !== 'all') named.set(name, args.length === 0 ? 'all' : 'some');
  }
  const isAllowed = (name: string): boolean => (isDenyList ? named.get(name) !== 'all' : named.has(name));
  const denied = DANGEROUS.filter(name => !isAllowed(name));
  const allowed = DANGEROUS.filter(isAllowed);
  const some = [...named].filter(([, how]) => how === 'some').map(([name]) => name);
  const parts = [
    isDenyList
      ? `all system calls but ${named.size} are let through`
      : `${named.size} system calls are let through, any other ${otherwise(defaultAction, defaultErrnoRet)}`,
    ...(some.length > 0 ? [`${some.sort().join(', ')} by their arguments`] : []),
    ...(denied.length > 0 ? [`kept back: ${denied.join(', ')}`] : []),
    ...(allowed.length > 0 ? [`let through, though dangerous: ${allowed.join(', ')}`] : []),
  ];
  return parts.join('; ');
}

function otherwise(action: string, errno: number = ERRNO.EPERM): string {
  if (action === 'SCMP_ACT_ERRNO' && errno === ERRNO.ENOSYS) return 'fails with ENOSYS';
  if (action === 'SCMP_ACT_ERRNO')
    return `fails with ${errnoName(errno)} (with ENOSYS where it is newer than the profile)`;
  if (action === 'SCMP_ACT_TRAP') return 'raises SIGSYS';
  return action === 'SCMP_ACT_TRACE' ? 'goes to a tracer' : 'kills the process';
}
