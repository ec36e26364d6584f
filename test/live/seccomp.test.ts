import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { callsOf } from '../unit/seccomp/kernel-calls.ts';
import { leftovers, needsRoot, podspace, probe, probePod, type Report, runPod, start } from './harness.ts';
import { differences, normalise } from './oracle.ts';

const profiles = mkdtempSync(join(tmpdir(), 'podspace-profiles-'));
t.teardown(() => rmSync(profiles, { recursive: true }));
const ROOT = ['--seccomp-profile-root', profiles];
const RUNTIME_DEFAULT = { seccompProfile: { type: 'RuntimeDefault' } };
const localhost = (localhostProfile: string): object => ({
  seccompProfile: { type: 'Localhost', localhostProfile },
});

/** Writes a profile that lets through only these. */
function allowOnly(name: string, action: string, names: readonly string[], more: object = {}): object {
  const syscalls = [{ names, action: 'SCMP_ACT_ALLOW' }];
  writeFileSync(join(profiles, name), JSON.stringify({ defaultAction: action, syscalls, ...more }));
  return localhost(name);
}

const nonRoot = { runAsUser: 405, runAsGroup: 100 };
const strict = { ...nonRoot, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
const KINDS: Readonly<Record<string, readonly [spec: object, securityContext: object]>> = {
  'root, without no_new_privs': [{}, {}],
  'root, with no_new_privs': [{}, { allowPrivilegeEscalation: false }],
  'a user, without no_new_privs': [{}, { ...nonRoot, capabilities: { add: ['SYS_ADMIN'] } }],
  'a user, without capabilities or no_new_privs': [{}, { ...nonRoot, capabilities: { drop: ['ALL'] } }],
  'a user, with no_new_privs': [{}, strict],
  'shared PIDs, without no_new_privs': [{ shareProcessNamespace: true }, nonRoot],
  'shared PIDs, with no_new_privs': [{ shareProcessNamespace: true }, strict],
  'the machine’s PIDs': [{ hostPID: true }, nonRoot],
  'a user namespace, without no_new_privs': [{ hostUsers: false }, nonRoot],
  'root of a user namespace': [{ hostUsers: false }, {}],
  'a user namespace with shared PIDs': [{ hostUsers: false, shareProcessNamespace: true }, nonRoot],
};

for (const [title, [spec, securityContext]] of Object.entries(KINDS)) {
  t.test(`a filter changes nothing else: ${title}`, { skip: needsRoot }, async t => {
    const plain = normalise(probe(spec, { securityContext }));
    const filtered = normalise(probe(spec, { securityContext: { ...securityContext, ...RUNTIME_DEFAULT } }));
    // Other processes come and go on the machine, and a pod's name is its own.
    const all = differences(plain, filtered).filter(({ path }) => !/^(hostname|env|processes)/.test(path));
    t.strictSame(all, [{ path: 'seccomp', mine: '0', theirs: '2' }]);
    const pod = probePod(spec, {
      args: ['signals'],
      securityContext: { ...securityContext, ...RUNTIME_DEFAULT },
    });
    const running = start(['run', '-'], JSON.stringify(pod));
    await running.waitFor('ready');
    for (const tty of [[], ['-t']]) {
      const ran = podspace(['exec', ...tty, pod.metadata.name, '--', '/probe']);
      t.equal(ran.status, 0, ran.stderr);
      const report = JSON.parse(ran.stdout.trim()) as Report;
      t.equal(report.seccomp, '2', 'exec has the container’s filter');
      for (const path of ['uid', 'capEff', 'capBnd', 'capPrm', 'noNewPrivs', 'umask', 'sigBlk'])
        t.equal(normalise(report).get(path), plain.get(path), path);
      t.equal(report.deathSignal, 9);
      t.equal(report.sid === report.pid, true, 'it leads a session');
    }
    running.child.kill('SIGTERM');
    await running.ended;
    t.strictSame(leftovers(), []);
  });
}

t.test('the pause process has RuntimeDefault, whatever the pod says', { skip: needsRoot }, t => {
  const spec = { shareProcessNamespace: true, securityContext: { seccompProfile: { type: 'Unconfined' } } };
  const container = { image: 'localhost/busybox', command: ['cat', '/proc/1/status', '/proc/self/status'] };
  const { stdout } = runPod(probePod(spec, container)).containers[0] ?? { stdout: '' };
  t.match(stdout, /^Name:\tpause$/m);
  t.strictSame(
    [...stdout.matchAll(/^(?:Seccomp|NoNewPrivs):\t(\d)$/gm)].map(match => match[1]),
    ['1', '2', '0', '0'],
  );
  t.end();
});

t.test('--seccomp-default is for those who say nothing, and never for privileged', { skip: needsRoot }, t => {
  const seen = (spec: object, container: object, ...args: string[]): readonly [string, string] => {
    const result = runPod(probePod(spec, container), ...args);
    return [(JSON.parse(result.containers[0]?.stdout ?? '{}') as Report).seccomp, result.stderr];
  };
  const unconfined = { securityContext: { seccompProfile: { type: 'Unconfined' } } };
  const privileged = { securityContext: { privileged: true } };
  t.strictSame(seen({}, {}), ['0', '']);
  t.strictSame(seen({}, {}, '--seccomp-default'), ['2', '']);
  t.strictSame(seen({}, unconfined, '--seccomp-default'), ['0', '']);
  t.strictSame(seen(unconfined, {}, '--seccomp-default'), ['0', '']);
  t.strictSame(seen({}, privileged, '--seccomp-default'), ['0', '']);
  const [mode, warning] = seen({ securityContext: RUNTIME_DEFAULT }, privileged);
  t.equal(mode, '0');
  t.match(warning, 'Warning: container "probe": privileged has no seccomp filter');
  t.end();
});

/** What glibc's start of a static program calls, and the end. */
const START =
  `brk arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink readlinkat getrandom mprotect
  newfstatat fstat exit_group read write open openat close futex`.split(/\s+/);

t.test('what a strict Localhost profile must allow, and nothing more', { skip: needsRoot }, async t => {
  const run = (securityContext: object, spec: object = {}): readonly unknown[] => {
    const result = runPod(probePod(spec, { args: ['exit', '5'], securityContext }), ...ROOT);
    const [{ reason, message, exitCode } = { reason: '' }] = result.containers;
    return message === undefined
      ? [reason, exitCode]
      : [reason, message.replace(/^instruction \d+: (\w+).*: /, '$1: ')];
  };
  const kill = 'SCMP_ACT_KILL_PROCESS';
  const privileges = { capabilities: { drop: ['CHOWN'] }, ...nonRoot };
  t.strictSame(run({ ...strict, ...allowOnly('exec', kill, [...START, 'execve']) }), ['Error', 5]);
  t.strictSame(run({ ...privileges, ...allowOnly('capset', kill, [...START, 'capset', 'execve']) }), [
    'Error',
    5,
  ]);
  t.strictSame(run({ ...privileges, ...allowOnly('no-capset', kill, [...START, 'execve']) }), [
    'StartError',
    'capset: the process was killed there',
  ]);
  t.strictSame(
    run({ ...privileges, ...allowOnly('no-capset-errno', 'SCMP_ACT_ERRNO', [...START, 'execve']) }),
    ['StartError', 'capset: EPERM (Operation not permitted)'],
  );
  const denied = run({ ...strict, ...allowOnly('no-execve', 'SCMP_ACT_ERRNO', START) });
  t.strictSame(denied, ['StartError', 'exec: "/probe": EPERM (Operation not permitted)']);
  const shared = { shareProcessNamespace: true };
  t.strictSame(run({ ...strict, ...localhost('exec') }, shared), ['Error', 5]);
  const more = ['capset', 'clone', 'setsid', 'prctl', 'execve'];
  t.strictSame(run({ ...privileges, ...allowOnly('shared', kill, [...START, ...more]) }, shared), [
    'Error',
    5,
  ]);
  for (const one of ['capset', 'clone', 'setsid', 'prctl']) {
    const names = [...START, ...more.filter(name => name !== one)];
    t.strictSame(run({ ...privileges, ...allowOnly(`no-${one}`, kill, names) }, shared), [
      'StartError',
      `${one}: the process was killed there`,
    ]);
  }
  t.end();
});

t.test('a filter that keeps a failed start from ending is ended all the same', { skip: needsRoot }, t => {
  const nothing = allowOnly('nothing', 'SCMP_ACT_ERRNO', ['getpid']);
  for (const spec of [{}, { shareProcessNamespace: true }]) {
    const result = runPod(
      probePod(spec, { command: ['/nosuch'], securityContext: { ...strict, ...nothing } }),
      ...ROOT,
      '--timeout',
      '20s',
    );
    t.match(result.containers, [{ reason: 'StartError' }]);
    t.not(result.status, 124);
  }
  t.strictSame(leftovers(), []);
  t.end();
});

t.test(
  'Localhost: conditions, other errnos, 64 bits, flags; exec after the file has gone',
  { skip: needsRoot },
  async t => {
    const calls = callsOf(process.arch as 'x64' | 'arm64');
    const nr = (name: string, ...args: readonly (number | string)[]): string =>
      [calls.get(name) ?? -1, ...args].join(',');
    const arg = (value: string): string => `{"index": 0, "op": "SCMP_CMP_EQ", "value": ${value}}`;
    writeFileSync(
      join(profiles, 'errnos.json'),
      `{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"], "syscalls": [
      {"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 122},
      {"name": "getsid", "action": "SCMP_ACT_ERRNO", "errnoRet": 33, "includes": {"caps": ["CAP_CHOWN"]}},
      {"name": "getpgid", "action": "SCMP_ACT_ERRNO", "errnoRet": 33, "excludes": {"caps": ["CAP_CHOWN"]}},
      {"name": "umask", "action": "SCMP_ACT_ERRNO", "errnoRet": 44, "args": [${arg('18446744073709551615')}]}
    ]}`,
    );
    const list = [
      nr('getpriority', 0),
      nr('getsid'),
      nr('getpgid'),
      nr('umask', '0xffffffffffffffff'),
      nr('umask', '0xfffffffffffffffe'),
    ];
    const pod = probePod({}, { args: ['signals'], securityContext: localhost('errnos.json') });
    const running = start(['run', ...ROOT, '-'], JSON.stringify(pod));
    await running.waitFor('ready');
    rmSync(join(profiles, 'errnos.json'));
    t.equal(
      podspace(['exec', pod.metadata.name, '--', '/probe', 'calls', ...list]).stdout,
      '[122,33,0,44,0]\n',
    );
    running.child.kill('SIGTERM');
    await running.ended;
  },
);

t.test('a profile that cannot be used is a CreateContainerError', { skip: needsRoot }, t => {
  mkdirSync(join(profiles, 'directory'));
  writeFileSync(join(profiles, 'bad.json'), '{"defaultAction": ');
  writeFileSync(join(profiles, 'action.json'), '{"defaultAction": "SCMP_ACT_FLY"}');
  writeFileSync(
    join(profiles, 'foreign.json'),
    '{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X"]}',
  );
  const rows: Readonly<Record<string, string | RegExp>> = {
    'none.json': `cannot load seccomp profile "${profiles}/none.json": open ${profiles}/none.json: no such file or directory`,
    directory: /^cannot load seccomp profile ".*": read .*: is a directory$/,
    'bad.json': /^decoding seccomp profile failed ".*\/bad.json": /,
    'action.json': /: string "SCMP_ACT_FLY" is not a valid action for seccomp$/,
    'foreign.json': /^cannot make the seccomp filter: error adding architecture SCMP_ARCH_S390X/,
  };
  for (const [name, message] of Object.entries(rows)) {
    const result = runPod(probePod({}, { securityContext: localhost(name) }), ...ROOT);
    t.match(result, { phase: 'Pending', containers: [{ reason: 'CreateContainerError', message }] }, name);
  }
  t.strictSame(leftovers(), []);
  t.end();
});
