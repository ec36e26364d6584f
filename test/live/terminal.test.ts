import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { leftovers, needsRoot, podspace, probePod, start } from './harness.ts';
import { sh } from './hostile.ts';
import { podspaceCommand, underTerminal } from './terminal.ts';

/** Processes by name, of this network namespace: other tests run on the machine too. */
const processes = (name: string): readonly string[] =>
  readdirSync('/proc').filter(pid => {
    const comm = `/proc/${pid}/comm`;
    if (!/^\d+$/.test(pid) || !existsSync(comm) || readFileSync(comm, 'utf8') !== `${name}\n`) return false;
    return readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net');
  });

async function until(isSo: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200 && !isSo(); i++) await new Promise(done => setTimeout(done, 20));
  return isSo();
}

async function withPod(body: (name: string, directory: string) => Promise<void>, t: Test): Promise<void> {
  const directory = t.testdir({});
  const pod = probePod(
    {
      terminationGracePeriodSeconds: 0,
      volumes: [{ name: 'v', hostPath: { path: directory } }],
    },
    {
      image: 'localhost/busybox',
      ...sh('trap exit TERM; echo ready; while :; do sleep 0.1; done'),
      volumeMounts: [{ name: 'v', mountPath: '/v' }],
    },
  );
  const running = start(['run', '-'], JSON.stringify(pod));
  try {
    await running.waitFor('ready');
    await body(pod.metadata.name, directory);
  } finally {
    running.child.kill('SIGTERM');
    await running.ended;
  }
}

/** Writes far more than a terminal holds, so that it ends only if somebody reads it. */
const WORK = 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; touch /v/done; sleep 1000';

t.test('the detach keys leave a command running, and its output is read on', { skip: needsRoot }, t =>
  withPod(async (name, directory) => {
    for (const [args, keys] of [
      [[], '\u0010\u0011'],
      [['--detach-keys', 'ctrl-x,y'], '\u0018y'],
    ] as const) {
      const file = join(directory, 'done');
      const command = podspaceCommand(['exec', '-it', ...args, name, '--', 'sh', '-c', `read x; ${WORK}`]);
      const ran = await underTerminal(`${command}; echo "status $?"; stty -a`, async ({ write, waitFor }) => {
        await new Promise(done => setTimeout(done, 500));
        write('go\r');
        await waitFor('line 1');
        write(keys);
        await waitFor('status 0');
      });
      t.match(ran.output, / icanon /, 'our terminal is as it was');
      t.ok(await until(() => existsSync(file)), 'the command went on to its end');
      t.match(podspace(['ps', name]).stdout, /sleep 1000/);
      execFileSync('rm', ['-f', file]);
    }
    t.equal(processes('podspace-drain').length, 2);
  }, t).then(async () => {
    t.ok(await until(() => processes('podspace-drain').length === 0), 'who reads it ends with the pod');
    t.same(leftovers(), []);
  }),
);

t.test('without detach keys, or without a terminal, they are just keys', { skip: needsRoot }, t =>
  withPod(async name => {
    const exec = podspaceCommand([
      'exec',
      '-it',
      '--detach-keys',
      '',
      name,
      '--',
      'sh',
      '-c',
      'stty raw; echo on; head -c 2 | od -An -tx1',
    ]);
    const ran = await underTerminal(exec, async ({ write, waitFor }) => {
      await waitFor('on');
      write('\u0010\u0011');
    });
    t.match(ran.output, '10 11');
    t.equal(ran.status, 0);
    t.equal(podspace(['exec', '-i', name, '--', 'od', '-An', '-tx1'], '\u0010\u0011').stdout.trim(), '10 11');
    const bad = podspace(['exec', '--detach-keys', 'ctrl-1', name, '--', 'true']);
    t.match(bad.stderr, /^error: option --detach-keys: invalid detach keys: Unknown character: 'ctrl-1'\n/);
  }, t),
);

t.test('a command at a terminal ends with the exec that was killed', { skip: needsRoot }, t =>
  withPod(async (name, directory) => {
    const exec = podspaceCommand(['exec', '-it', name, '--', 'sh', '-c', 'echo on; exec sleep 777']);
    await underTerminal(`echo $$ > ${directory}/pid; exec ${exec}`, async ({ waitFor }) => {
      await waitFor('on');
      process.kill(Number(readFileSync(join(directory, 'pid'), 'utf8')), 'SIGKILL');
    });
    t.ok(await until(() => !/sleep 777/.test(podspace(['ps', name]).stdout)), 'the hang-up ended it');
  }, t),
);

for (const mode of ['run', 'exec']) {
  t.test(`${mode} -it: job control, and the size of a window that changes`, { skip: needsRoot }, t =>
    withPod(async (name, directory) => {
      const file = join(directory, 'pod.json');
      writeFileSync(file, JSON.stringify(probePod({}, { image: 'localhost/busybox' })));
      const where = mode === 'run' ? ['run', '-it', file] : ['exec', '-it', name];
      const shell = podspaceCommand([...where, '--', 'sh']);
      const resize = `(until [ -e ${directory}/resize ]; do sleep 0.1; done; stty -F /dev/tty rows 21 cols 56) &`;
      const ran = await underTerminal(`${resize} ${shell}`, async ({ write, waitFor }) => {
        await waitFor('#');
        write('sleep 100\r');
        await waitFor('sleep 100');
        await new Promise(done => setTimeout(done, 200));
        write('\u001a');
        await waitFor('Stopped');
        write('bg; jobs\r');
        await waitFor('Running');
        write('kill %1; wait; echo killed""-it\r');
        await waitFor('killed-it');
        writeFileSync(join(directory, 'resize'), '');
        await new Promise(done => setTimeout(done, 400));
        write('stty size\r');
        await waitFor('21 56');
        write('exit 3\r');
      });
      t.equal(ran.status, 3);
    }, t),
  );
}
