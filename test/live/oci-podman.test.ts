import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needsRoot } from './harness.ts';
import { RUNTIME } from './oci.ts';
import { hasPodman, Podman } from './podman.ts';

const skip = needsRoot || (hasPodman ? false : 'podman and conmon are not installed');

t.test('podman and conmon on podspace-runtime', { skip }, async t => {
  const all = new Podman(RUNTIME);
  t.teardown(() => all.remove());
  const podman = (...args: string[]) => all.call(...args);
  const options = ['--network=none'];
  const run = (...args: string[]) => podman('run', '--rm', ...options, ...args);

  t.test('run: output and exit codes', async t => {
    t.match(run('busybox', 'sh', '-c', 'echo out; exit 3'), { status: 3, out: 'out\n' });
    t.equal(run('busybox', 'nosuch').status, 127);
    t.equal(run('busybox', '/etc/passwd').status, 126);
    t.equal(run('busybox', '/etc').status, 126, 'a directory');
    t.equal(run('busybox', 'sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?').status, 137);
    t.match(run('-t', 'busybox', 'sh', '-c', 'tty; exit 4'), { status: 4, out: /\/dev\/pts\/0/ });
  });

  t.test('what podman asks for of a config', async t => {
    const asked = [
      ...['--hostname', 'foo', '--user', '405:100', '--read-only', '--tmpfs', '/t:size=1m', '-e', 'A=b'],
      ...['--memory', '64m', '--pids-limit', '50', '--sysctl', 'net.ipv4.ip_forward=1', '--workdir', '/tmp'],
    ];
    const script =
      'hostname; id -u; echo $A; pwd; cat /proc/sys/net/ipv4/ip_forward; touch /x 2>&1; touch /dev/shm/x && echo tmp';
    const { out } = run(...asked, 'busybox', 'sh', '-c', script);
    t.match(out, /^foo\n405\nb\n\/tmp\n1\n.*Read-only file system\ntmp\n$/);
    t.match(
      run('--uidmap', '0:100000:65536', 'busybox', 'cat', '/proc/self/uid_map').out,
      /0 +100000 +65536/,
    );
    t.match(run('--cap-drop', 'all', 'busybox', 'grep', 'CapBnd', '/proc/self/status').out, /\t0+$/m);
    t.equal(run('--privileged', 'busybox', 'true').status, 0);
  });

  t.test('a container that stays', async t => {
    const loop = 'echo log1; echo log2 >&2; trap "exit 9" TERM; while :; do sleep 0.05; done';
    t.equal(podman('run', '-d', '--name', 'a', ...options, 'busybox', 'sh', '-c', loop).status, 0);
    t.match(podman('exec', 'a', 'sh', '-c', 'echo in; exit 5'), { status: 5, out: 'in\n' });
    t.match(podman('exec', '-t', 'a', 'sh', '-c', 'tty; exit 6'), { status: 6, out: /\/dev\/pts\/0/ });
    t.equal(podman('exec', 'a', 'nosuch').status, 127);
    t.match(podman('logs', 'a'), { out: 'log1\n', err: 'log2\n' });
    t.equal(podman('pause', 'a').status, 0);
    t.match(podman('ps', '-a', '--format', '{{.Status}}').out, /paused/i);
    t.equal(podman('unpause', 'a').status, 0);
    t.equal(podman('stats', '--no-stream', 'a').status, 0);
    t.equal(podman('stop', '--time', '5', 'a').status, 0);
    t.equal(podman('wait', 'a').out, '9\n');
    t.not(podman('kill', 'a').status, 0, 'it has stopped');
    t.equal(podman('start', 'a').status, 0, 'and again');
    t.equal(podman('kill', 'a').status, 0);
    t.equal(podman('wait', 'a').out, '137\n');
    t.equal(podman('rm', 'a').status, 0);
    t.not(podman('rm', 'a').status, 0, 'twice');
  });

  t.test('health checks', async t => {
    const health = [
      '--health-cmd',
      'test -e /tmp/well',
      '--health-interval',
      'disable',
      '--health-retries',
      '1',
    ];
    podman('run', '-d', '--name', 'h', ...health, ...options, 'busybox', 'sleep', '100');
    t.equal(podman('healthcheck', 'run', 'h').status, 1);
    t.equal(podman('exec', 'h', 'touch', '/tmp/well').status, 0);
    t.equal(podman('healthcheck', 'run', 'h').status, 0);
    t.equal(podman('rm', '--force', '--time', '0', 'h').status, 0);
  });

  t.test('kube play: a pod of two containers that share its namespaces', async t => {
    const file = join(all.directory, 'pod.yaml');
    const container = (name: string, command: string) => ({
      name,
      image: 'localhost/busybox',
      imagePullPolicy: 'Never',
      command: ['sh', '-c', command],
    });
    const containers = [container('one', 'hostname; sleep 100'), container('two', 'hostname; sleep 100')];
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'played' }, spec: { containers } };
    writeFileSync(file, JSON.stringify(pod));
    const played = podman('kube', 'play', '--network', 'none', file);
    t.equal(played.status, 0, played.err);
    t.equal(podman('logs', 'played-one').out, 'played\n');
    const uts = (name: string) => podman('exec', name, 'readlink', '/proc/self/ns/uts').out;
    t.match(uts('played-one'), /^uts:/);
    t.equal(uts('played-one'), uts('played-two'));
    t.equal(podman('kube', 'down', file).status, 0);
    t.equal(podman('ps', '-aq').out, '');
  });
});
