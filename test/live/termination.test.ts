import { existsSync } from 'node:fs';
import t from 'tap';
import { needsRoot, podspace, probePod, runPod } from './harness.ts';
import { link, node, sh, testAttacks } from './hostile.ts';

const shell = (name: string, script: string, more: object = {}): object => ({
  name,
  image: 'localhost/busybox',
  ...sh(script),
  ...more,
});
const messagesOf = (...containers: object[]): (string | undefined)[] =>
  runPod(probePod({ containers })).containers.map(({ message }) => message);

t.test('what a container writes to /dev/termination-log is its message', { skip: needsRoot }, t => {
  const LOG = '/dev/termination-log';
  const [first, second, elsewhere, silent, user, readOnly] = messagesOf(
    shell('first', `echo sorry > ${LOG}; exit 3`),
    shell('second', `echo fine > ${LOG}`),
    shell('elsewhere', 'echo here > /tmp/a/log', { terminationMessagePath: '/tmp/a/log' }),
    shell('silent', 'exit 1'),
    shell('user', `echo user > ${LOG}`, { securityContext: { runAsUser: 405 } }),
    shell('read-only', `echo anyway > ${LOG}`, { securityContext: { readOnlyRootFilesystem: true } }),
  );
  t.same([first, second, elsewhere, silent], ['sorry\n', 'fine\n', 'here\n', undefined]);
  t.same([user, readOnly], ['user\n', 'anyway\n']);
  const [long] = messagesOf(
    shell('long', `head -c 3000000 /dev/zero | tr '\\0' x > ${LOG}; echo -n end >> ${LOG}`),
  );
  t.match(long, /^x+end$/);
  t.equal(long?.length, 4096);
  t.end();
});

t.test('FallbackToLogsOnError takes the end of the output', { skip: needsRoot }, t => {
  const policy = { terminationMessagePolicy: 'FallbackToLogsOnError' };
  const script = 'for i in $(seq 100); do echo line $i; done';
  t.same(
    messagesOf(
      shell('failed', `${script}; exit 1`, policy),
      shell('succeeded', script, policy),
      shell('said', `${script}; echo said > /dev/termination-log; exit 1`, policy),
    ),
    [Array.from({ length: 80 }, (_, i) => `line ${i + 21}\n`).join(''), undefined, 'said\n'],
  );
  t.end();
});

t.test('each attempt has a file of its own, and init containers have one too', { skip: needsRoot }, t => {
  const { containers } = runPod(
    probePod({
      restartPolicy: 'OnFailure',
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [shell('init', 'echo begun > /dev/termination-log')],
      containers: [
        shell('again', 'test -e /v/x && exit 0; echo once > /dev/termination-log; touch /v/x; exit 1', {
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        }),
      ],
    }),
  );
  t.match(containers, [{ message: 'begun\n' }, { restartCount: 1, exitCode: 0 }]);
  t.equal(containers[1]?.message, undefined);
  t.end();
});

t.test('run says what a container said when it failed', { skip: needsRoot }, t => {
  const said = podspace(
    ['run', '-'],
    JSON.stringify(
      probePod({
        containers: [shell('c', 'printf "no\\033[1m disk\\n" > /dev/termination-log; exit 2')],
      }),
    ),
  );
  t.equal(said.status, 2);
  t.equal(said.stderr, 'error: container "c": Error: no?[1m disk\n');
  t.end();
});

t.test('a volume at the path, or at /dev, wins: nothing is put into it', { skip: needsRoot }, t => {
  const look = (mountPath: string, volume: object, script: string): object =>
    runPod(
      probePod({
        volumes: [{ name: 'v', ...volume }],
        containers: [shell('c', script, { volumeMounts: [{ name: 'v', mountPath }] })],
      }),
    ).containers;
  t.match(look('/dev/termination-log', { emptyDir: {} }, 'ls /dev/termination-log'), [{ stdout: '' }]);
  t.match(look('/dev', { hostPath: { path: '/dev' } }, 'ls /dev/null /dev/termination-log'), [
    { stdout: '/dev/null\n' },
  ]);
  t.notOk(existsSync('/dev/termination-log'), 'the machine’s /dev is as it was');
  t.end();
});

t.test('what is mounted for a container is busy with nothing of podspace’s', { skip: needsRoot }, t => {
  for (const [spec, securityContext] of [
    [{}, { privileged: true }],
    [{ shareProcessNamespace: true }, { privileged: true }],
    [{ hostUsers: false }, { capabilities: { add: ['SYS_ADMIN'] } }],
  ] as const) {
    // At once: whoever started it may not have ended yet.
    const script = 'umount /dev/termination-log /etc/hosts && echo fine';
    const all = Array.from({ length: 8 }, (_, i) => shell(`c${i}`, script, { securityContext }));
    const { containers } = runPod(probePod({ ...spec, containers: all }));
    t.same(
      containers.map(({ stdout, stderr }) => stdout + stderr),
      all.map(() => 'fine\n'),
    );
  }
  t.end();
});

/** What the image or the container puts at the path: what is mounted there, and read, is podspace's file. */
const at = (terminationMessagePath: string, script: string, more: object = {}): object => ({
  ...sh(script),
  ...more,
  terminationMessagePath,
});
const say = 'echo gotcha > /log && : > /log && echo fine';

testAttacks({
  'the path is a link of the image to the outside': {
    build: link('log', canary => `${canary}/file`),
    container: at('/log', say),
    expect: { refused: /^instruction \d+: openat2\(.*: ENOENT / },
  },
  'the path is a link to a link of the kernel': {
    build: link('log', canary => `/proc/1/root${canary}/file`),
    container: at('/log', say),
    expect: { refused: /^instruction \d+: openat2\(.*: (ELOOP|ENOENT) / },
  },
  'the path is a FIFO of the image': {
    build: node('log'),
    container: at('/log', say),
    expect: { ran: /^fine\n$/ },
  },
  'the path is a directory of the image': {
    container: at('/tmp', say),
    expect: { refused: /^instruction \d+: move_mount\(.*: (ENOTDIR|EINVAL) / },
  },
  'the path leads upwards': {
    container: (canary: string) => at(`/../../../../..${canary}/file`, 'echo fine'),
    expect: { ran: /^fine\n$/ },
  },
  'the path is in a procfs': {
    container: at('/proc/sys/kernel/core_pattern', 'cat /proc/sys/kernel/core_pattern; echo fine'),
    expect: { ran: /fine\n$/ },
  },
  'the container unmounts its file, and puts a link there': {
    container: (canary: string) =>
      at('/log', `umount /log && rm /log && ln -s ${canary}/file /log && echo fine`, {
        securityContext: { privileged: true },
      }),
    expect: { ran: /^fine\n$/ },
  },
});
