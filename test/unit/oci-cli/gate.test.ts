import t from 'tap';
import { readConfig } from '../../../src/oci/read/config.ts';
import type { SeccompFilter } from '../../../src/oci/seccomp/generate.ts';
import { compileContainer } from '../../../src/program/compile.ts';
import { disassemble } from '../../../src/program/disassemble.ts';
import type { ContainerPlan } from '../../../src/program/plan.ts';

const TARGET = { capabilities: [], arch: 'x64', kernelRelease: '6.1.0' } as const;
const MINIMAL = {
  ociVersion: '1.2.0',
  root: { path: '/rootfs' },
  process: { args: ['sh'], cwd: '/', env: ['PATH=/bin:/sbin'], noNewPrivileges: true },
  hostname: 'h',
  domainname: 'd',
  linux: {
    namespaces: ['mount', 'pid', 'uts', 'network'].map(type => ({ type })),
    sysctl: { 'net.ipv4.ip_forward': '1' },
  },
};

function program(config: object, gate: ContainerPlan['gate'], listener?: SeccompFilter['listener']): string {
  const { config: read, sysctls } = readConfig(JSON.stringify(config), '/b', TARGET);
  const plan: ContainerPlan = {
    config: read,
    rootfs: { kind: 'directory', path: read.root.path },
    runner: 'shim',
    subPaths: {},
    maskedDirectories: [],
    fileMounts: [],
    cgroupProcs: [],
    seccomp: {
      text: '{all: allow}',
      flags: [],
      bpf: new Uint8Array(8),
      ...(listener === undefined ? {} : { listener }),
    },
    isAudited: false,
    stdin: 'inherit',
    inherited: { owned: [1], null: [0] },
    sysctls,
    gate,
  };
  return disassemble(compileContainer(plan, 'x64').program);
}

/** The first of the words that is not there after the ones before it; "" if all are in order. */
function missing(text: string, words: readonly string[]): string {
  let at = 0;
  for (const word of words) {
    at = text.indexOf(word, at);
    if (at === -1) return word;
  }
  return '';
}

t.test(
  'the program waits twice: for hooks before the root is changed, for start before the execve',
  async t => {
    const order = [
      'close_range(5, ~0U, CLOSE_RANGE_CLOEXEC)',
      'clone(CLONE_PARENT|CLONE_FILES|SIGCHLD)',
      'sethostname("h", 1)',
      'setdomainname("d", 1)',
      '"sys/net/ipv4/ip_forward"',
      'write(<sync>, "h", 1)',
      'read(<sync>',
      'pivot_root',
      'dup3(<fifo>, 5, O_CLOEXEC)',
      'dup3(<sync>, 6, O_CLOEXEC)',
      'close_range(7, ~0U, 0)',
      'setresuid(0, 0, 0)',
      'faccessat2(AT_FDCWD, "/bin/sh", 1, 0)',
      'faccessat2(AT_FDCWD, "/sbin/sh", 1, 0)',
      'write(6, "r", 1)',
      'close(6)',
      'read(5',
      'rt_sigprocmask',
      'seccomp(',
      'execve("/bin/sh"',
    ];
    t.equal(missing(program(MINIMAL, { preserved: 2, hasHooks: true }), order), '');
    t.notMatch(program(MINIMAL, { preserved: 0, hasHooks: false }), /write\(<sync>/);
  },
);

t.test(
  'a filter with a listener: handed over before it waits for start, with or without privileges',
  async t => {
    const listener = { path: '/agent', metadata: '' };
    const order = [
      'faccessat2(AT_FDCWD, "/bin/sh", 1, 0)',
      'rt_sigprocmask',
      'SECCOMP_FILTER_FLAG_NEW_LISTENER',
      'sendmsg(4, {iov=[{"\\0", 1}], control={SCM_RIGHTS, cmsg}}, 0)',
      'write(4, "r", 1)',
      'read(3',
      'execve("/bin/sh"',
    ];
    const gate = { preserved: 0, hasHooks: false };
    for (const noNewPrivileges of [true, false]) {
      const process = { ...MINIMAL.process, noNewPrivileges };
      t.equal(missing(program({ ...MINIMAL, process }, gate, listener), order), '');
    }
  },
);

t.test('scheduling: before the identity, which takes the right to it away', async t => {
  const scheduler = { policy: 'SCHED_BATCH', nice: 5, flags: ['SCHED_FLAG_RESET_ON_FORK'] };
  const ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 3 };
  const process = { ...MINIMAL.process, scheduler, ioPriority };
  const order = [
    'sched_setattr(0, {SCHED_BATCH, nice=5, priority=0}, 0)',
    'ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_BE<<13|3)',
    'setresuid(0, 0, 0)',
  ];
  t.equal(missing(program({ ...MINIMAL, process }, { preserved: 0, hasHooks: false }), order), '');
});

t.test('a joined PID namespace: who waits is the sibling, when nothing privileged is left in it', async t => {
  const namespaces = [
    { type: 'mount' },
    { type: 'uts' },
    { type: 'network' },
    { type: 'pid', path: '/proc/1/ns/pid' },
  ];
  const text = program({ ...MINIMAL, linux: { namespaces } }, { preserved: 0, hasHooks: true });
  const order = [
    'write(<sync>, "h", 1)',
    'capset',
    'clone(CLONE_PARENT|CLONE_FILES|SIGCHLD)',
    'write(4, "r", 1)',
    'execve',
  ];
  t.equal(missing(text, order), '');
});

t.test(
  'without a gate a program is what it was: the shim waits for the execve, and it dies with us',
  async t => {
    const text = program(MINIMAL, undefined);
    t.match(text, /clone\(CLONE_PARENT\|CLONE_VFORK\|CLONE_FILES\|SIGCHLD\)/);
    t.match(text, /PR_SET_PDEATHSIG/);
    t.notMatch(text, /faccessat2|<fifo>/);
  },
);
