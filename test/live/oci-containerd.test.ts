import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Containerd, hasContainerd } from './containerd.ts';
import { Cri, streamed } from './cri.ts';
import { needsRoot } from './harness.ts';

const skip = needsRoot || (hasContainerd ? false : 'containerd is not installed');
const NODE = 2;
const LOOP = 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done';

t.test('containerd on podspace-runtime', { skip }, async t => {
  const containerd = new Containerd();
  await containerd.start();
  containerd.importImage();
  t.teardown(async () => {
    await containerd.end();
    containerd.remove();
  });
  const ctr = (...args: string[]) => containerd.ctr(...args);
  const task = (...args: string[]) => ctr('task', ...args);

  t.test('ctr run: output and exit codes', async t => {
    t.match(containerd.run('one', ['--rm'], 'sh', '-c', 'echo out; exit 3'), { status: 3, stdout: 'out\n' });
    t.equal(containerd.run('two', ['--rm'], 'sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?').status, 137);
    const missing = containerd.run('three', ['--rm'], 'nosuch');
    t.match(missing, { status: 1, stderr: /exec: "nosuch": executable file not found in \$PATH/ });
  });

  t.test('a container that stays', async t => {
    t.equal(containerd.run('stays', ['-d'], 'sh', '-c', LOOP).status, 0);
    t.match(task('exec', '--exec-id', 'a', 'stays', 'sh', '-c', 'echo in; exit 5'), {
      status: 5,
      stdout: 'in\n',
    });
    t.match(task('ps', 'stays').stdout, /^\d+/m);
    t.equal(task('pause', 'stays').status, 0);
    t.match(task('ls').stdout, /stays +\d+ +PAUSED/);
    t.equal(task('resume', 'stays').status, 0);
    t.match(task('metrics', 'stays').stdout, /memory|cpu/);
    t.equal(task('kill', '--signal', 'TERM', 'stays').status, 0);
    for (let i = 0; i < 100 && !/STOPPED/.test(task('ls').stdout); i++)
      await new Promise(done => setTimeout(done, 20));
    t.not(task('kill', 'stays').status, 0, 'it has stopped');
    t.match(task('delete', 'stays'), { status: 0, stderr: /non-zero exit code/ });
    t.not(task('delete', 'stays').status, 0, 'twice');
    t.equal(ctr('container', 'rm', 'stays').status, 0);
  });

  t.test('20 containers at once', async t => {
    const ids = Array.from({ length: 20 }, (_, i) => `many${i}`);
    const started = ids.map(id => {
      const image = 'docker.io/library/busybox:latest';
      const runtime = ['--runc-binary', join(process.cwd(), 'dist/podspace-runtime')];
      const args = ['--address', containerd.socket, 'run', '--rm', ...runtime, image, id];
      const child = spawn('ctr', [...args, 'sh', '-c', `exit ${id.slice(4)}`], { stdio: 'ignore' });
      return new Promise(done => child.once('exit', done));
    });
    t.same(
      await Promise.all(started),
      ids.map((_, i) => i),
    );
    t.equal(ctr('container', 'ls', '-q').stdout, '');
  });

  t.test('containerd is killed half-way: the container goes on, and the next one has it', async t => {
    containerd.run('survivor', ['-d'], 'sh', '-c', LOOP);
    await containerd.end('SIGKILL');
    await containerd.start();
    t.match(task('ls').stdout, /survivor +\d+ +RUNNING/);
    t.match(task('exec', '--exec-id', 'b', 'survivor', 'echo', 'still'), { stdout: 'still\n' });
    t.equal(task('delete', '--force', 'survivor').status, 0);
    t.equal(ctr('container', 'rm', 'survivor').status, 0);
  });

  t.test('a pod, as a kubelet asks for it through the CRI', async t => {
    const cri = new Cri(containerd.socket);
    const config = {
      metadata: { name: 'pod', uid: 'u', namespace: 'default' },
      log_directory: containerd.directory,
      linux: { security_context: { namespace_options: { network: NODE } } },
    };
    const pod_sandbox_id = String(
      (await cri.call('RunPodSandbox', { config, runtime_handler: 'podspace' })).pod_sandbox_id,
    );
    t.teardown(async () => {
      await cri.call('StopPodSandbox', { pod_sandbox_id });
      await cri.call('RemovePodSandbox', { pod_sandbox_id });
      cri.close();
    });
    const make = async (name: string, command: string[], more = {}) => {
      const container = {
        metadata: { name },
        image: { image: 'docker.io/library/busybox:latest' },
        command,
        log_path: name,
        linux: {
          resources: { memory_limit_in_bytes: 64 << 20 },
          security_context: { namespace_options: { network: NODE } },
        },
        ...more,
      };
      const asked = { pod_sandbox_id, config: container, sandbox_config: config };
      const { container_id } = await cri.call('CreateContainer', asked);
      await cri.call('StartContainer', { container_id });
      return String(container_id);
    };
    const container_id = await make('main', ['sh', '-c', LOOP]);
    const ran = await cri.call('ExecSync', {
      container_id,
      cmd: ['sh', '-c', 'echo in; exit 6'],
      timeout: 10,
    });
    t.same(ran, { stdout: 'in\n', exit_code: 6 });
    const exec = await cri.call('Exec', { container_id, cmd: ['tty'], tty: 1, stdin: 1, stdout: 1 });
    t.match(await streamed(String(exec.url)), /^\/dev\/pts\/0\r\n$/);
    const plain = await cri.call('Exec', { container_id, cmd: ['echo', 'no tty'], stdout: 1 });
    t.equal(await streamed(String(plain.url)), 'no tty\n');
    const { stats } = (await cri.call('ContainerStats', { container_id })) as {
      stats: { memory: { working_set_bytes: { value: number } } };
    };
    t.ok(stats.memory.working_set_bytes.value > 0);
    await cri.call('UpdateContainerResources', { container_id, linux: { memory_limit_in_bytes: 32 << 20 } });
    t.match(readFileSync(join(containerd.directory, 'main'), 'utf8'), /stdout F up\n$/, 'its log');
    await cri.call('StopContainer', { container_id, timeout: 10 });
    t.match(await cri.call('ContainerStatus', { container_id }), { status: { state: 2, exit_code: 9 } });
    await cri.call('RemoveContainer', { container_id });
    await cri.call('RemoveContainer', { container_id });

    const shell = await make('shell', ['sh', '-c', 'while read line; do echo "<$line>"; done; '], {
      stdin: 1,
      tty: 1,
    });
    const attached = await cri.call('Attach', { container_id: shell, stdin: 1, tty: 1, stdout: 1 });
    t.match(await streamed(String(attached.url), 'hello\n\x04'), /<hello>/);
  });
});
