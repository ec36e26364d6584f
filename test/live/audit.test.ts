import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Observation, ObservedCall, ObservedCapabilities } from '../../src/oci/audit/observation.ts';
import type { Suggestion } from '../../src/oci/audit/suggest.ts';
import type { OciConfig } from '../../src/oci/config.ts';
import { needsLibseccomp } from '../unit/seccomp/needs-libseccomp.ts';
import { leftovers, needsRoot, podspace, start } from './harness.ts';
import { inView, makeBundle } from './oracle.ts';
import { BOTH, RUNTIMES } from './oracle-expected.ts';

const skip = needsRoot || needsLibseccomp;
const profiles = mkdtempSync(join(tmpdir(), 'podspace-audit-'));
t.teardown(() => rmSync(profiles, { recursive: true }));
const profileRoot = ['--seccomp-profile-root', profiles];

interface Audited extends Observation {
  readonly name: string;
  readonly denied: { readonly by: string; readonly calls: readonly string[] };
  readonly profile: string;
  readonly suggestion: Suggestion;
}

/** What the traces need is asked of the kernel, not guessed. */
const INSTANCES =
  'mount -t tracefs none /mnt && ls /mnt/instances && ls /mnt/events/capability/cap_capable/enable';
const tracefs = skip ? undefined : spawnSync('unshare', ['-m', 'sh', '-c', INSTANCES], { encoding: 'utf8' });
const isWatched = tracefs?.status === 0;
const instances = (): string =>
  spawnSync('unshare', ['-m', 'sh', '-c', INSTANCES], { encoding: 'utf8' })
    .stdout.replace(/^\/mnt.*$/m, '')
    .trim();

let serial = 0;
interface Shape {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly spec?: object;
  readonly container?: object;
}

function podOf(
  script: string,
  { image = 'localhost/busybox', command, spec = {}, container = {} }: Shape = {},
): {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly containers: readonly object[] };
} {
  const main = { name: 'main', image, command: command ?? ['sh', '-c', script], ...container };
  return {
    ...{ apiVersion: 'v1', kind: 'Pod' },
    metadata: { name: `audit-${process.pid}-${serial++}` },
    spec: { restartPolicy: 'Never', containers: [main], ...spec } as never,
  };
}

function audit(
  pod: object,
  ...args: string[]
): { readonly containers: readonly Audited[]; readonly status: number | null; readonly stderr: string } {
  const { stdout, stderr, status } = podspace(
    ['audit', '-', '-o', 'json', ...profileRoot, ...args],
    JSON.stringify(pod),
  );
  if (!stdout.startsWith('{')) throw new Error(`no report: ${status} ${stdout}${stderr}`);
  return { ...(JSON.parse(stdout) as { containers: readonly Audited[] }), status, stderr };
}

const first = ({ containers: [one] }: { readonly containers: readonly Audited[] }): Audited => {
  if (one === undefined) throw new Error('no container in the report');
  return one;
};
const callOf = ({ calls }: Audited, name: string): ObservedCall | undefined =>
  calls.find(each => each.name === name);
const names = (list: readonly { readonly name: string }[]): readonly string[] => list.map(({ name }) => name);
const capabilities = ({ capabilities: found }: Audited): ObservedCapabilities => {
  if ('unwatched' in found) throw new Error(found.unwatched);
  return found;
};

t.test('what a container did, counted by the kernel', { skip }, t => {
  const one = first(
    audit(
      podOf('for i in 1 2 3; do mkdir /tmp/$i; done; umount /proc; exit 7', {
        command: ['sh', '-c', 'for i in 1 2 3; do mkdir /tmp/$i; done; umount /nowhere; exit 7'],
      }),
    ),
  );
  t.equal(callOf(one, 'mkdir')?.count ?? callOf(one, 'mkdirat')?.count, 3);
  t.match(one.denied, { by: 'RuntimeDefault', calls: ['umount2'] });
  t.equal(callOf(one, 'mount'), undefined);
  t.equal(callOf(one, 'setresuid'), undefined, 'podspace’s own calls do not count');
  t.end();
});

t.test('the pod’s own filter denies nothing meanwhile, and is what is compared with', { skip }, t => {
  const strict = {
    securityContext: { seccompProfile: { type: 'RuntimeDefault' }, capabilities: { add: ['SYS_ADMIN'] } },
  };
  const free = first(
    audit(
      podOf('unshare -m true', { container: { securityContext: { capabilities: { add: ['SYS_ADMIN'] } } } }),
    ),
  );
  t.strictSame(free.denied.calls, [], 'with SYS_ADMIN RuntimeDefault allows it');
  const pod = podOf('keyctl || unshare -U true && echo made', {
    container: { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
  });
  const { stderr, ...rest } = audit(pod);
  t.match(stderr, /made/, 'RuntimeDefault would not have let it');
  t.match(first(rest).denied, { by: 'RuntimeDefault', calls: ['unshare'] });
  t.equal(audit(podOf('true', { container: strict })).status, 0);
  t.end();
});

t.test(
  'capabilities, by what asked for them',
  { skip: skip || (!isWatched && 'needs the event capability/cap_capable') },
  t => {
    const script =
      'chown 5:5 /tmp; chroot / true; hostname x; ping -c1 -W1 127.0.0.1 >/dev/null; cat /root/none';
    const one = first(audit(podOf(script)));
    t.match(capabilities(one).used, [
      { name: 'CAP_CHOWN', calls: [/chown/] },
      { name: 'CAP_NET_RAW', calls: ['socket'] },
      { name: 'CAP_SYS_CHROOT', calls: ['chroot'] },
    ]);
    t.match(capabilities(one).refused, [{ name: 'CAP_SYS_ADMIN', calls: ['sethostname'] }]);
    t.match(one.suggestion.securityContext, {
      capabilities: { drop: ['ALL'], add: ['CHOWN', 'NET_RAW', 'SYS_CHROOT'] },
      allowPrivilegeEscalation: false,
    });
    t.end();
  },
);

t.test('what overlayfs does in podspace’s name is not the container’s', { skip: skip || !isWatched }, t => {
  const user = { container: { securityContext: { runAsUser: 405 } } };
  const one = first(audit(podOf('touch /tmp/a; mv /tmp/a /tmp/b; rm /tmp/b; ls -la / >/dev/null', user)));
  t.strictSame(capabilities(one).used, []);
  const root = first(audit(podOf('mkdir -p /var/a/b; touch /etc/passwd; rm /etc/group; ln -s x /tmp/l')));
  t.strictSame(capabilities(root).used, []);
  t.end();
});

const KINDS: Readonly<Record<string, Shape>> = {
  'a user namespace': { spec: { hostUsers: false } },
  'a shared PID namespace': { spec: { shareProcessNamespace: true } },
  'the host’s PIDs': { spec: { hostPID: true } },
  no_new_privs: { container: { securityContext: { allowPrivilegeEscalation: false } } },
  'no_new_privs and a shared PID namespace': {
    spec: { shareProcessNamespace: true },
    container: { securityContext: { allowPrivilegeEscalation: false } },
  },
  'a user': { container: { securityContext: { runAsUser: 405, runAsGroup: 100 } } },
  'a terminal': { container: { tty: true } },
  privileged: { container: { securityContext: { privileged: true } } },
};
for (const [kind, shape] of Object.entries(KINDS)) {
  t.test(`a pod with ${kind}`, { skip }, t => {
    const { status, stderr, ...rest } = audit(podOf('id; mkdir /tmp/x; chown 7 /tmp/x; exit 3', shape));
    const one = first(rest);
    t.equal(status, 3, stderr);
    t.match(stderr, /uid=/);
    t.match(one.written, [{ path: '/tmp' }]);
    t.ok(callOf(one, 'execve'));
    t.notOk(callOf(one, 'capset'), 'podspace’s own calls do not count');
    if (isWatched) {
      const isUser = kind === 'a user';
      const { used, refused } = capabilities(one);
      t.equal(names(used).includes('CAP_CHOWN'), !isUser);
      t.equal(names(refused).includes('CAP_CHOWN'), isUser);
    }
    t.strictSame(leftovers(), []);
    t.end();
  });
}

/** Lays a suggestion over the pod that it was made for. */
function followed(
  pod: ReturnType<typeof podOf>,
  { securityContext, volumeMounts, volumes }: Suggestion,
): ReturnType<typeof podOf> {
  const containers = pod.spec.containers.map(container => ({ ...container, securityContext, volumeMounts }));
  return { ...pod, spec: { ...pod.spec, containers, volumes } as never };
}

const printingStatus = (pod: ReturnType<typeof podOf>): object => ({
  ...pod,
  spec: {
    ...pod.spec,
    containers: pod.spec.containers.map(container => ({
      ...container,
      command: ['cat', '/proc/self/status'],
    })),
  },
});

t.test('what is suggested is enough', { skip }, t => {
  const script = `set -e; id -u; mkdir -p /data/deep; echo 1 > /data/deep/file; touch /tmp/gone; rm /tmp/gone
    chown 405 /data; setpriv --reuid 405 --clear-groups id 2>/dev/null || su -s /bin/sh guest -c "id -un"
    echo a | (read x; echo $x); cat /data/deep/file; wc -l < /etc/passwd; exit 5`;
  const pod = podOf(script);
  const first_ = audit(pod);
  const one = first(first_);
  t.equal(one.suggestion.securityContext.readOnlyRootFilesystem, true);
  t.ok(existsSync(one.profile));
  const again = followed(pod, one.suggestion);
  const plain = podspace(['run', '-'], JSON.stringify(pod));
  const strict = podspace(['run', '-', ...profileRoot], JSON.stringify(again));
  t.equal(plain.status, 5, plain.stderr);
  t.strictSame(strict, plain, 'it does the same');
  const status = podspace(['run', '-', ...profileRoot], JSON.stringify(printingStatus(again)));
  t.match(status.stdout, /Seccomp:\t2/);
  t.end();
});

t.test('the profile is one for crun and runc too', { skip }, t => {
  const pod = podOf('', { image: 'localhost/probe', command: ['/probe'] });
  const one = first(audit(pod));
  const manifest = join(profiles, 'pod.json');
  const securityContext = { seccompProfile: one.suggestion.securityContext.seccompProfile };
  for (const noNewPrivs of [true, false]) {
    const context = noNewPrivs ? { ...securityContext, allowPrivilegeEscalation: false } : securityContext;
    const containers = pod.spec.containers.map(container => ({ ...container, securityContext: context }));
    writeFileSync(manifest, JSON.stringify({ ...pod, spec: { ...pod.spec, containers } }));
    const config = JSON.parse(
      podspace(['compile', ...profileRoot, manifest, '--emit=oci']).stdout,
    ) as OciConfig;
    for (const runtime of BOTH) {
      const installed = spawnSync(runtime, ['--version']).status === 0;
      t.test(
        `${runtime}, ${noNewPrivs ? 'with' : 'without'} no_new_privs`,
        { skip: !installed && 'not installed' },
        t => {
          const bundle = mkdtempSync(join(profiles, runtime));
          makeBundle(bundle, 'localhost/probe', config, pod.metadata.name, false);
          const theirs = inView([...RUNTIMES[runtime], 'run', '-b', bundle, `podspace-audit-${process.pid}`]);
          t.match(JSON.parse(theirs), { seccomp: '2', noNewPrivs: noNewPrivs ? '1' : '0' });
          t.end();
        },
      );
    }
  }
  t.end();
});

/** A thread, as libc makes one: by clone3, or by clone where that is refused. */
const THREADS = `#include <pthread.h>
#include <stdio.h>
static void *run(void *x) { puts("a thread"); return x; }
int main(void) { pthread_t t; if (pthread_create(&t, 0, run, 0)) return 1; return pthread_join(t, 0); }`;

t.test('threads: clone3 stays away, and nobody misses it', { skip }, t => {
  const root = mkdtempSync(join(tmpdir(), 'podspace-threads-'));
  const image = `localhost/threads-${process.pid}`;
  t.teardown(() => {
    podspace(['image', 'rm', image]);
    rmSync(root, { recursive: true });
  });
  cpSync('build/rootfs/busybox/rootfs', root, { recursive: true, verbatimSymlinks: true });
  execFileSync('cc', ['-static', '-pthread', '-o', join(root, 'threads'), '-xc', '-'], { input: THREADS });
  t.equal(podspace(['image', 'import', image, root]).status, 0);
  const pod = podOf('', { image, command: ['/threads'] });
  const one = first(audit(pod));
  t.ok(callOf(one, 'clone3') ?? callOf(one, 'clone'));
  const { status, stdout } = podspace(
    ['run', '-', ...profileRoot],
    JSON.stringify(followed(pod, one.suggestion)),
  );
  t.strictSame([status, stdout], [0, 'a thread\n']);
  t.match(JSON.parse(readFileSync(one.profile, 'utf8')).syscalls.at(-1), {
    names: ['clone3'],
    action: 'SCMP_ACT_ERRNO',
    errnoRet: 38,
  });
  t.end();
});

t.test('init containers, several containers and several attempts', { skip }, t => {
  const spec = {
    restartPolicy: 'OnFailure',
    volumes: [{ name: 'v', emptyDir: {} }],
    initContainers: [{ name: 'init', image: 'localhost/busybox', command: ['mkdir', '/tmp/i'] }],
    containers: [
      {
        ...{ name: 'again', image: 'localhost/busybox', volumeMounts: [{ name: 'v', mountPath: '/v' }] },
        command: ['sh', '-c', 'if mkdir /v/once; then mkdir /tmp/first; exit 1; else mkdir /run/second; fi'],
      },
      { name: 'other', image: 'localhost/busybox', command: ['true'] },
    ],
  };
  const { containers, status } = audit(podOf('', { spec }));
  t.equal(status, 0);
  t.strictSame([...names(containers)].sort(), ['again', 'init', 'other']);
  const again = containers.find(({ name }) => name === 'again');
  t.strictSame(
    again?.written.map(({ path }) => path),
    ['/run', '/tmp'],
    'and not the volume',
  );
  t.equal(again === undefined ? 0 : (callOf(again, 'mkdir') ?? callOf(again, 'mkdirat'))?.count, 4);
  t.end();
});

t.test('a container that does not start is no trouble, and one that is ended is reported', { skip }, t => {
  const none = podspace(['audit', '-', ...profileRoot], JSON.stringify(podOf('', { command: ['nosuch'] })));
  t.match(none, { status: 128, stdout: '', stderr: /executable file not found in \$PATH/ });
  const spec = { terminationGracePeriodSeconds: 0 };
  const { status, containers } = audit(podOf('sleep 60', { spec }), '--timeout', '500ms');
  t.equal(status, 0, 'time is what it was given');
  t.ok(callOf(first({ containers }), 'nanosleep') ?? callOf(first({ containers }), 'clock_nanosleep'));
  t.strictSame(leftovers(), []);
  t.equal(instances(), '');
  t.end();
});

t.test('run --audit: the output where it belongs, the report on stderr', { skip }, t => {
  const pod = JSON.stringify(podOf('echo out; echo err >&2; exit 4'));
  const { status, stdout, stderr } = podspace(['run', '--audit', '-', ...profileRoot], pod);
  t.strictSame([status, stdout], [4, 'out\n']);
  t.match(stderr, /^Warning: an audited pod runs without its seccomp filters/);
  t.match(stderr, /audit of pod "audit-\d+-\d+", container "main"\n {2}system calls: \d+ of \d+ kinds\n/);
  t.match(stderr, /enough for what it did:\n {2}securityContext:\n/);
  const json = podspace(['run', '--audit', '-', '-o', 'json', ...profileRoot], pod);
  t.match(JSON.parse(json.stdout), { containers: [{ exitCode: 4, stdout: 'out\n' }] });
  t.end();
});

t.test(
  'killed half-way: the container ends too, and gc takes the traces away',
  { skip: skip || !isWatched },
  async t => {
    const { child, waitFor, ended } = start(
      ['audit', '-', ...profileRoot],
      JSON.stringify(podOf('echo up; sleep 60')),
    );
    await waitFor('up');
    t.not(instances(), '');
    child.kill('SIGKILL');
    await ended;
    podspace(['gc']);
    t.equal(instances(), '');
    t.strictSame(leftovers(), []);
  },
);

t.test('names that a container gives its files reach no terminal as they are', { skip }, t => {
  const script = 'touch "/tmp/$(printf \'\\033[2J\')"';
  const { stdout } = podspace(['audit', '-', ...profileRoot], JSON.stringify(podOf(script)));
  t.match(stdout, /\/tmp \(/);
  t.notOk(stdout.includes('\u001b'));
  t.end();
});

t.test('a profile root that cannot be written to is an error with the path', { skip }, t => {
  const file = join(profiles, 'file');
  mkdirSync(join(profiles, 'x'), { recursive: true });
  writeFileSync(file, '');
  const { status, stderr } = podspace(
    ['audit', '-', '--seccomp-profile-root', file],
    JSON.stringify(podOf('true')),
  );
  t.equal(status, 1);
  t.match(stderr, /error: cannot write the profile ".*\/file\/audit\/default_.*": /);
  t.strictSame(leftovers(), []);
  t.end();
});
