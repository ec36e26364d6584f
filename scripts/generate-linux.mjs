// Writes src/linux/constants.generated.ts from the kernel's headers, so that no number is typed by hand.
// x86-64 values come from a small C program; what differs on arm64 (system call numbers, some O_ flags) from the
// preprocessor over arm64's headers (Debian: linux-libc-dev-arm64-cross).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OUTPUT = 'src/linux/constants.generated.ts';
const ARM64_HEADERS = '/usr/aarch64-linux-gnu/include';

const SYSCALLS =
  `bind bpf capget capset chdir clone clone3 close close_range connect dup3 execve execveat faccessat2 fchdir
   fchmod fchown fchownat fcntl fgetxattr flock fsconfig fsetxattr fsmount fsopen fstatfs getcwd getsockname
   gettid ioctl ioprio_set landlock_create_ruleset lgetxattr linkat listen llistxattr lsetxattr memfd_create mkdirat
   mknodat mount mount_setattr move_mount open_tree openat openat2 personality pidfd_getfd pidfd_open pidfd_send_signal
   pipe2 pivot_root ppoll prctl pread64 prlimit64 read recvfrom renameat2 rt_sigprocmask sched_setattr seccomp sendmsg sendto
   setdomainname setfsgid setfsuid setgroups sethostname setns setresgid setresuid setsid setsockopt socket
   socketpair symlinkat umask umount2 unlinkat unshare utimensat wait4 waitid write`.split(/\s+/);

/** Each table: the pattern of its names, and the headers that have them. */
const TABLES = {
  AT: [
    /^AT_(FDCWD|SYMLINK_NOFOLLOW|REMOVEDIR|SYMLINK_FOLLOW|NO_AUTOMOUNT|EMPTY_PATH|RECURSIVE)$/,
    ['linux/fcntl.h'],
  ],
  RESOLVE: [/^RESOLVE_/, ['linux/openat2.h']],
  CLONE: [/^CLONE_[A-Z0-9_]+$/, ['linux/sched.h']],
  MS: [
    /^MS_(RDONLY|NOSUID|NODEV|NOEXEC|SYNCHRONOUS|REMOUNT|MANDLOCK|DIRSYNC|NOSYMFOLLOW|NOATIME|NODIRATIME|BIND|MOVE|REC|SILENT|POSIXACL|UNBINDABLE|PRIVATE|SLAVE|SHARED|RELATIME|KERNMOUNT|I_VERSION|STRICTATIME|LAZYTIME)$/,
    ['linux/mount.h'],
  ],
  OPEN_TREE: [/^OPEN_TREE_CLONE$/, ['linux/mount.h']],
  MOVE_MOUNT: [/^MOVE_MOUNT_[FT]_/, ['linux/mount.h']],
  FSOPEN: [/^FSOPEN_/, ['linux/mount.h']],
  FSCONFIG: [/^FSCONFIG_/, ['linux/mount.h']],
  FSMOUNT: [/^FSMOUNT_/, ['linux/mount.h']],
  MOUNT_ATTR: [/^MOUNT_ATTR_(?!SIZE)/, ['linux/mount.h']],
  CAP: [/^CAP_(?!LAST_CAP|OPT_|TO_|FOR_)[A-Z0-9_]+$/, ['linux/capability.h']],
  SIG: [/^SIG(?!RTM|STKSZ|UNUSED|IOT|POLL)[A-Z0-9]+$/, ['linux/signal.h']],
  RLIMIT: [/^RLIMIT_[A-Z]+$/, ['linux/resource.h']],
  PR: [
    /^PR_(SET_PDEATHSIG|CAPBSET_DROP|SET_KEEPCAPS|SET_NO_NEW_PRIVS|SET_DUMPABLE|CAP_AMBIENT|CAP_AMBIENT_CLEAR_ALL|CAP_AMBIENT_RAISE|SET_SECUREBITS|SET_CHILD_SUBREAPER|SET_NAME)$/,
    ['linux/prctl.h'],
  ],
  S: [/^S_IF(MT|SOCK|LNK|REG|BLK|DIR|CHR|IFO)$/, ['linux/stat.h']],
  F: [
    /^F_(DUPFD|GETFD|SETFD|GETFL|SETFL|DUPFD_CLOEXEC|SETOWN|SETSIG|ADD_SEALS|SEAL_[A-Z_]+)$/,
    ['linux/fcntl.h'],
  ],
  MFD: [/^MFD_(CLOEXEC|ALLOW_SEALING|NOEXEC_SEAL|EXEC)$/, ['linux/memfd.h']],
  CLOSE_RANGE: [/^CLOSE_RANGE_/, ['linux/close_range.h']],
  IOCTL: [
    /^(TIOCSCTTY|TIOCSPTLCK|TIOCGPTPEER|TIOCSWINSZ|TIOCGWINSZ|SIOCSIFFLAGS|SIOCGIFFLAGS|SECCOMP_IOCTL_NOTIF_(RECV|SEND))$/,
    ['asm/ioctls.h', 'linux/sockios.h', 'linux/seccomp.h'],
  ],
  SECCOMP: [/^SECCOMP_(SET_MODE_[A-Z]+|FILTER_FLAG_[A-Z_]+|RET_[A-Z_]+)$/, ['linux/seccomp.h']],
  SCHED: [
    /^SCHED_(NORMAL|FIFO|RR|BATCH|IDLE|DEADLINE|FLAG_(RESET_ON_FORK|RECLAIM|DL_OVERRUN|KEEP_POLICY|KEEP_PARAMS))$/,
    ['linux/sched.h'],
  ],
  IOPRIO: [/^IOPRIO_(CLASS_(SHIFT|RT|BE|IDLE)|WHO_PROCESS)$/, ['linux/ioprio.h']],
  AUDIT_ARCH: [
    /^AUDIT_ARCH_(I386|X86_64|ARM|AARCH64|MIPS|MIPS64|MIPS64N32|MIPSEL|MIPSEL64|MIPSEL64N32|PPC|PPC64|PPC64LE|S390|S390X|RISCV64|LOONGARCH64)$/,
    ['linux/audit.h'],
  ],
  POLL: [/^POLL(IN|HUP|ERR)$/, ['asm/poll.h']],
  LOCK: [/^LOCK_(SH|EX|NB|UN)$/, ['asm/fcntl.h']],
  MAGIC: [
    /^(PROC_SUPER_MAGIC|CGROUP_SUPER_MAGIC|CGROUP2_SUPER_MAGIC|TMPFS_MAGIC|DEVPTS_SUPER_MAGIC|SYSFS_MAGIC|OVERLAYFS_SUPER_MAGIC)$/,
    ['linux/magic.h'],
  ],
  NETFILTER: [
    /^(NFPROTO_INET|NFNL_SUBSYS_(CTNETLINK|NFTABLES)|IPCTNL_MSG_CT_(NEW|GET|DELETE)|NFT_MSG_(GETCHAIN|DELTABLE|GETGEN)|NFNL_MSG_BATCH_(BEGIN|END))$/,
    [
      'linux/netlink.h',
      'linux/netfilter.h',
      'linux/netfilter/nfnetlink_conntrack.h',
      'linux/netfilter/nf_tables.h',
    ],
  ],
  NFTA_TABLE: [/^NFTA_TABLE_NAME$/, ['linux/netfilter/nf_tables.h']],
  NFTA_CHAIN: [/^NFTA_CHAIN_(TABLE|NAME)$/, ['linux/netfilter/nf_tables.h']],
  NFTA_GEN: [/^NFTA_GEN_ID$/, ['linux/netfilter/nf_tables.h']],
  CTA: [/^CTA_(TUPLE_ORIG|TUPLE_REPLY|ID)$/, ['linux/netfilter/nfnetlink_conntrack.h']],
  CTA_TUPLE: [/^CTA_TUPLE_(IP|PROTO|ZONE)$/, ['linux/netfilter/nfnetlink_conntrack.h']],
  CTA_IP: [/^CTA_IP_V[46]_(SRC|DST)$/, ['linux/netfilter/nfnetlink_conntrack.h']],
  CTA_PROTO: [/^CTA_PROTO_(NUM|SRC_PORT|DST_PORT)$/, ['linux/netfilter/nfnetlink_conntrack.h']],
  WAIT: [/^(P_ALL|P_PID|P_PGID|P_PIDFD|WNOHANG|WEXITED)$/, ['linux/wait.h']],
  NETLINK: [/^NETLINK_(ROUTE|NETFILTER|CAP_ACK|EXT_ACK)$/, ['linux/netlink.h']],
  NLM_F: [/^NLM_F_(REQUEST|MULTI|ACK|DUMP|REPLACE|EXCL|CREATE|CAPPED|ACK_TLVS)$/, ['linux/netlink.h']],
  NLMSG: [/^(NLMSG_(ERROR|DONE)|NLMSGERR_ATTR_MSG)$/, ['linux/netlink.h']],
  NLA: [/^NLA_(F_NESTED|TYPE_MASK)$/, ['linux/netlink.h']],
  RTM: [
    /^RTM_((NEW|DEL|GET)LINK|(NEW|GET)ADDR|(NEW|DEL|GET)ROUTE|NEWNEIGH|F_FIB_MATCH)$/,
    ['linux/rtnetlink.h'],
  ],
  IFLA: [
    /^IFLA_(ADDRESS|IFNAME|MTU|LINK|LINKINFO|NET_NS_FD|AF_SPEC|NUM_[TR]X_QUEUES|INFO_KIND|INFO_DATA|INET_CONF|INET6_ADDR_GEN_MODE)$/,
    ['linux/if_link.h'],
  ],
  VETH: [/^VETH_INFO_PEER$/, ['linux/veth.h']],
  IFF: [/^IFF_(UP|RUNNING)$/, ['linux/if.h']],
  IN6_ADDR_GEN_MODE: [/^IN6_ADDR_GEN_MODE_(EUI64|NONE)$/, ['linux/if_link.h']],
  IPV4_DEVCONF: [/^IPV4_DEVCONF_(FORWARDING|ACCEPT_REDIRECTS|RP_FILTER|ROUTE_LOCALNET)$/, ['linux/ip.h']],
  IFA: [/^IFA_(ADDRESS|LOCAL|FLAGS|F_NODAD)$/, ['linux/if_addr.h']],
  NEIGHBOUR: [/^(NDA_(DST|LLADDR)|NUD_PERMANENT)$/, ['linux/neighbour.h']],
  RTA: [/^RTA_(DST|OIF|GATEWAY|TABLE)$/, ['linux/rtnetlink.h']],
  ROUTE: [
    /^(RTN_(UNSPEC|UNICAST|LOCAL|BROADCAST|ANYCAST)|RT_SCOPE_(UNIVERSE|LINK|NOWHERE)|RTPROT_KERNEL|RT_TABLE_MAIN|RTNH_F_ONLINK)$/,
    ['linux/rtnetlink.h'],
  ],
};
const OPEN = [
  'O_RDONLY',
  'O_WRONLY',
  'O_RDWR',
  'O_CREAT',
  'O_EXCL',
  'O_NOCTTY',
  'O_TRUNC',
  'O_APPEND',
  'O_NONBLOCK',
  'O_DIRECTORY',
  'O_NOFOLLOW',
  'O_CLOEXEC',
  'O_PATH',
];

const cpp = (args, input) =>
  execFileSync('cc', ['-E', ...args, '-'], { input, encoding: 'utf8', maxBuffer: 1 << 26 });
const includes = headers => headers.map(h => `#include <${h}>\n`).join('');

/** Names that the headers define, in the order of the headers. */
function definedNames(headers, pattern) {
  const macros = cpp(['-dM'], includes(headers)).matchAll(/^#define (\w+)(?!\() /gm);
  const enums = cpp(['-P'], includes(headers)).matchAll(/\b([A-Z][A-Z0-9_]{2,})\b(?=\s*[=,}])/g);
  return [...new Set([...macros, ...enums].map(m => m[1]))].filter(name => pattern.test(name));
}

function evaluate(headers, names) {
  const dir = mkdtempSync(join(tmpdir(), 'podspace-generate-'));
  try {
    const source = `#include <linux/types.h>\n${includes(headers)}int printf(const char *, ...);\nint main(void){\n${names.map(n => `printf("${n} %lld\\n", (long long)(${n}));`).join('\n')}\nreturn 0;}\n`;
    writeFileSync(join(dir, 'a.c'), source);
    execFileSync('cc', ['-w', '-o', join(dir, 'a'), join(dir, 'a.c')]);
    return execFileSync(join(dir, 'a'), { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(line => line.split(' '))
      .map(([n, v]) => [n, Number(v)]);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Values of simple literals and sums of them, through the preprocessor only (for another architecture). */
function preprocess(headers, names, args = []) {
  const text = cpp(
    ['-P', ...args],
    `${includes(headers)}\n${names.map(n => `podspace_value ${n} = ${n.startsWith('O_') ? n : `__NR_${n}`} ;`).join('\n')}`,
  );
  // The name itself is expanded too, so the lines are matched by order.
  const lines = text.split('\n').filter(line => line.startsWith('podspace_value'));
  return names.map((name, i) => [name, literal(lines[i].split('=')[1])]);
}

function literal(text) {
  return text
    .replace(/[();]/g, ' ')
    .split('+')
    .map(part => part.trim())
    .reduce((sum, part) => sum + (/^0[0-7]+$/.test(part) ? Number.parseInt(part, 8) : Number(part)), 0);
}

const record = (name, entries, type = '') =>
  `export const ${name} = {\n${entries.map(([n, v]) => `  ${n}: ${v},`).join('\n')}\n} as const${type};\n`;

function errnos() {
  const text = ['asm-generic/errno-base.h', 'asm-generic/errno.h']
    .map(h => readFileSync(`/usr/include/${h}`, 'utf8'))
    .join('\n');
  return [...text.matchAll(/^#define\s+(E\w+)\s+(\d+)\s*\/\*\s*(.*?)\s*\*\//gm)].map(m => [
    m[1],
    Number(m[2]),
    m[3],
  ]);
}

function generate() {
  if (!existsSync(ARM64_HEADERS)) return undefined;
  const arm = [
    '-nostdinc',
    '-undef',
    '-D__aarch64__',
    '-D__LP64__',
    '-D__linux__',
    '-isystem',
    ARM64_HEADERS,
  ];
  const x64 = preprocess(['asm/unistd.h'], SYSCALLS);
  const arm64 = new Map(preprocess(['asm/unistd.h'], SYSCALLS, arm));
  const out = [
    '// Generated by scripts/generate-linux.mjs from the kernel headers. Do not edit this file.\n',
  ];
  out.push('/** System call numbers: [x86-64, arm64]. */');
  out.push(
    record(
      'SYSCALL_NUMBERS',
      x64.map(([n, v]) => [n, `[${v}, ${arm64.get(n)}]`]),
    ),
  );
  out.push('/** open(2) flags differ between architectures: [x86-64, arm64]. */');
  const open64 = new Map(preprocess(['asm/fcntl.h'], OPEN, arm));
  out.push(
    record(
      'OPEN_FLAGS',
      preprocess(['asm/fcntl.h'], OPEN).map(([n, v]) => [n, `[${v}, ${open64.get(n)}]`]),
    ),
  );
  for (const [table, [pattern, headers]] of Object.entries(TABLES)) {
    const entries = evaluate(headers, definedNames(headers, pattern)).sort((a, b) => a[1] - b[1]);
    out.push(record(table, entries));
  }
  const list = errnos();
  out.push(
    '/** errno(3) numbers. */',
    record(
      'ERRNO',
      list.map(([n, v]) => [n, v]),
    ),
  );
  out.push(
    '/** What the kernel headers say of each errno. */',
    record(
      'ERRNO_TEXT',
      list.map(([n, , t]) => [n, JSON.stringify(t)]),
    ),
  );
  return out.join('\n');
}

const text = generate();
if (text === undefined)
  console.log(`${OUTPUT}: arm64 headers are not installed (linux-libc-dev-arm64-cross); left as it is`);
else if (!process.argv.includes('--check')) writeFileSync(OUTPUT, text);
else if (readFileSync(OUTPUT, 'utf8') !== text) {
  console.error(`${OUTPUT} is stale: run "npm run generate"`);
  process.exitCode = 1;
}
