import type { CapabilityName } from '../../linux/capabilities.ts';
import { CLONE, ERRNO } from '../../linux/constants.generated.ts';
import type { SeccompOperator } from '../../linux/seccomp.ts';
import type { ProfileRule, SeccompProfile } from './profile.ts';

/**
 * RuntimeDefault: in effect what containerd and Docker give a container (github.com/moby/profiles, seccomp, which
 * containerd's contrib/seccomp follows). It is an allow-list: what is not named fails with EPERM, and what is newer than
 * everything that is named, with ENOSYS, so that programs take the older way. Not there, among others: io_uring, whose
 * rings are a way around a filter; keyrings, which no namespace divides; userfaultfd, kexec, swap.
 */

/** What needs no capability, by what it is about. */
const EVERYBODY = {
  files: `access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2
    fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64
    fdatasync flock fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents
    getdents64 inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl lchown lchown32 link linkat listmount
    _llseek lseek lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe pipe2
    pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2
    rmdir sendfile sendfile64 splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range
    syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev`,
  attributes: `fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr
    lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`,
  waiting: `epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 _newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4`,
  'asynchronous files': `io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit`,
  memory: `brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap
    mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease
    remap_file_pages`,
  processes: `execve execveat exit exit_group fork getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage
    getsid gettid ioprio_get ioprio_set kill pidfd_open pidfd_send_signal prctl prlimit64 rseq sched_getaffinity
    sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield setpgid
    setpriority setrlimit setsid sysinfo tgkill times tkill ugetrlimit uname uretprobe vfork wait4 waitid waitpid`,
  threads: `futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list get_thread_area
    restart_syscall set_robust_list set_thread_area set_tid_address`,
  identity: `capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid
    getresgid32 getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
    setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32`,
  signals: `alarm pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
    rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn`,
  // Reading the clock; the kernel itself asks for CAP_SYS_TIME where adjtimex would change it.
  time: `adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
    timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 timer_getoverrun timer_gettime
    timer_gettime64 timer_settime timer_settime64`,
  // socket itself is below. The arguments of socketcall are behind a pointer, where no filter can look.
  network: `accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`,
  ipc: `ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`,
  // What a process restricts itself with.
  sandboxes: `landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp`,
  random: `getrandom`,
  other: `riscv_hwprobe`,
};

/** What a capability in the bounding set brings along. */
const BY_CAPABILITY: Readonly<Partial<Record<CapabilityName, string>>> = {
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_SYS_ADMIN: `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd
    setdomainname sethostname setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module finit_module init_module',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'ioperm iopl',
  CAP_SYS_TIME: 'clock_settime clock_settime64 settimeofday stime',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYSLOG: 'syslog',
  CAP_BPF: 'bpf',
  CAP_PERFMON: 'perf_event_open',
};

/** What only some processors have. */
const BY_ARCHITECTURE = [
  { arches: ['amd64'], names: 'arch_prctl modify_ldt' },
  {
    arches: ['arm64'],
    names: 'arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2',
  },
];

/**
 * Address families of socket(2), socket.h: up to AF_ROSE, then one by one. Missing are those that Linux has removed, or
 * that nobody maintained to the end (DECnet, Econet, ATM SVC, IrDA, WANPIPE, ISDN, CAIF), AF_ALG (38), the kernel's
 * cryptography, and AF_VSOCK (40), which no network namespace divides. Equality, not "greater than": the kernel cuts the
 * family to 32 bits, a filter compares 64, and 2^32 + 38 is greater than 40.
 */
const FAMILIES_BELOW = 12;
const FAMILIES = [
  13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45,
];

/** Linux and 32-bit programs with and without UNAME26, and 0xffffffff, which asks and sets nothing: personality(2). */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** The flags of clone(2) that a process needs no leave of its user for, but of the profile. */
export const NEW_NAMESPACES =
  CLONE.CLONE_NEWNS |
  CLONE.CLONE_NEWUTS |
  CLONE.CLONE_NEWIPC |
  CLONE.CLONE_NEWUSER |
  CLONE.CLONE_NEWPID |
  CLONE.CLONE_NEWNET |
  CLONE.CLONE_NEWCGROUP;

const words = (text: string): readonly string[] => text.split(/\s+/);

const allow = (text: string, condition: Pick<ProfileRule, 'includes' | 'excludes'> = {}): ProfileRule => ({
  names: words(text),
  action: 'SCMP_ACT_ALLOW',
  ...condition,
});

/** Allows a call whose first argument compares so. */
const allowFirst = (name: string, op: SeccompOperator, value: number, valueTwo?: number): ProfileRule => ({
  names: [name],
  action: 'SCMP_ACT_ALLOW',
  args: [{ index: 0, value, ...(valueTwo === undefined ? {} : { valueTwo }), op }],
});

const makeDefaultProfile = (): SeccompProfile => ({
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: ERRNO.EPERM,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    allow(Object.values(EVERYBODY).join(' ')),
    // Before 4.8 a tracer could change a call after the filter had judged it, seccomp(2).
    allow('process_vm_readv process_vm_writev ptrace', { includes: { minKernel: '4.8' } }),
    allowFirst('socket', 'SCMP_CMP_LT', FAMILIES_BELOW),
    ...FAMILIES.map(family => allowFirst('socket', 'SCMP_CMP_EQ', family)),
    ...PERSONALITIES.map(persona => allowFirst('personality', 'SCMP_CMP_EQ', persona)),
    ...BY_ARCHITECTURE.map(({ arches, names }) => allow(names, { includes: { arches } })),
    ...Object.entries(BY_CAPABILITY).map(([name, names]) => allow(names, { includes: { caps: [name] } })),
    {
      ...allowFirst('clone', 'SCMP_CMP_MASKED_EQ', NEW_NAMESPACES, 0),
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    },
    // The flags of clone3 are behind a pointer: as if there were none, so that libc takes clone.
    {
      names: ['clone3'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: ERRNO.ENOSYS,
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    },
  ],
});

let profile: SeccompProfile | undefined;

/** The table as a profile, made when first asked for. */
export function defaultProfile(): SeccompProfile {
  profile ??= makeDefaultProfile();
  return profile;
}
