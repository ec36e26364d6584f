import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needsRoot } from './harness.ts';
import { Place, RUNTIME } from './oci.ts';

const LOOP = 'trap "exit 9" TERM; while :; do sleep 0.05; done';

t.test('podspace-runtime', { skip: needsRoot }, async t => {
  const place = new Place();
  t.teardown(() => place.remove());

  t.test('run: streams and exit codes', async t => {
    const bundle = place.bundle('cat; echo err >&2; exit $CODE', config =>
      config.process.env?.push('CODE=3'),
    );
    const ran = place.callWith({ input: 'in\n', stdio: undefined }, 'run', '--bundle', bundle, 'r1');
    t.same(ran, { status: 3, stdout: 'in\n', stderr: 'err\n' });
    t.same(place.leftovers('r1'), []);
    const killed = place.bundle('sh -c "kill -9 \\$\\$"; exit $?');
    t.equal(place.call('run', '--bundle', killed, 'r2').status, 137);
  });

  t.test('from created to deleted', async t => {
    const bundle = place.bundle(LOOP);
    const pidFile = join(bundle, 'pid');
    t.equal(place.create(bundle, 'c1', '--pid-file', pidFile).status, 0);
    const pid = readFileSync(pidFile, 'utf8');
    t.match(pid, /^\d+$/);
    const state = JSON.parse(place.call('state', 'c1').stdout);
    t.match(state, { id: 'c1', pid: Number(pid), status: 'created', bundle });
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    t.notMatch(
      status,
      new RegExp(`^PPid:\t${process.pid}$`, 'm'),
      'create has ended, and the container has not',
    );
    t.match(place.call('exec', 'c1', 'true').stderr, /not started/);
    t.equal(place.call('start', 'c1').status, 0);
    t.equal(place.status('c1'), 'running');
    t.match(place.call('start', 'c1').stderr, /^cannot start a container that is running$/m);
    t.match(place.call('delete', 'c1').stderr, /not stopped: running/);
    t.equal(place.call('kill', 'c1').status, 0);
    t.equal(await place.waitFor('c1', 'stopped'), 'stopped');
    t.match(JSON.parse(place.call('state', 'c1').stdout), { pid: 0 });
    for (const command of [
      ['kill', 'c1'],
      ['exec', 'c1', 'true'],
      ['pause', 'c1'],
    ])
      t.match(place.call(...command).stderr, /container not running/, command.join(' '));
    t.match(place.call('start', 'c1').stderr, /has stopped/);
    t.equal(place.call('delete', 'c1').status, 0);
    t.match(place.call('delete', 'c1').stderr, /does not exist/);
    t.equal(place.call('delete', '--force', 'c1').status, 0);
    t.same(place.leftovers('c1'), []);
  });

  t.test('two who create one id, and two who start it', async t => {
    const bundle = place.bundle(LOOP);
    const both = (...args: string[]): Promise<readonly (number | null)[]> =>
      Promise.all(
        [0, 1].map(() => new Promise<number | null>(done => place.start(...args).on('close', done))),
      );
    t.same([...(await both('create', '--bundle', bundle, 'two'))].sort(), [0, 1]);
    t.equal(place.status('two'), 'created');
    t.same([...(await both('start', 'two'))].sort(), [0, 1]);
    t.same(await both('delete', '--force', 'two'), [0, 0], 'two who delete it');
    t.same(place.leftovers('two'), []);
  });

  t.test('state, start, kill and delete do with /proc and files: nothing native is loaded', async t => {
    place.create(place.bundle('sleep 20'), 'light');
    const log = join(place.directory, 'strace');
    const opened = (...args: string[]): string => {
      const command = ['-f', '-qq', '-e', 'trace=openat', '-o', log, RUNTIME, '--root', place.root, ...args];
      t.equal(spawnSync('strace', command, { timeout: 20_000, stdio: 'ignore' }).status, 0, args.join(' '));
      return readFileSync(log, 'utf8');
    };
    const all = [['state'], ['start'], ['kill'], ['delete', '--force']].map(words =>
      opened(...words, 'light'),
    );
    for (const text of all) t.notMatch(text, /koffi|\.node"/);
    const bundle = place.bundle('true');
    t.match(opened('run', '--bundle', bundle, 'heavy'), /koffi|\.node"/, 'which is how it would look');
  });

  t.test('poststop hooks run once, however often it is deleted', async t => {
    const out = join(place.directory, 'stopped');
    const bundle = place.bundle('true', config => {
      config.hooks = { poststop: [{ path: '/bin/sh', args: ['sh', '-c', `echo stop >>${out}`] }] };
    });
    place.create(bundle, 'once');
    const ends = ['a', 'b', 'c'].map(
      () => new Promise(done => place.start('delete', '--force', 'once').on('close', done)),
    );
    t.same(await Promise.all(ends), [0, 0, 0]);
    t.equal(place.call('delete', '--force', 'once').status, 0, 'once more, as containerd does');
    t.equal(readFileSync(out, 'utf8'), 'stop\n');
  });

  t.test('HOME is what /etc/passwd of the root says, and never that of the machine', async t => {
    const home = (uid: number, change: (root: string) => void = () => {}) => {
      const bundle = place.bundle('echo "$HOME"', config => {
        config.process.user = { uid, gid: uid };
      });
      change(join(bundle, 'rootfs/etc/passwd'));
      return place.call('run', '--bundle', bundle, `home${uid}`).stdout;
    };
    t.equal(home(405), '/home/guest\n');
    t.equal(home(4000), '/\n');
    const away = (target: string) => (file: string) => {
      rmSync(file);
      symlinkSync(target, file);
    };
    t.equal(home(0, away('/../../../../../../../../etc/passwd')), '/\n', 'a link to itself');
    t.equal(home(0, away('/dev/zero')), '/\n', 'a device of endless length');
  });

  t.test('what fails leaves nothing, and one line that says why', async t => {
    const bundle = place.bundle('true', config => {
      config.process.args = ['nosuch'];
    });
    const pidFile = join(bundle, 'pid');
    const failed = place.create(bundle, 'f1', '--pid-file', pidFile);
    t.equal(failed.status, 1);
    const line = JSON.parse(failed.stderr.trim().split('\n').at(-1) ?? '') as Record<string, string>;
    t.match(line, { level: 'error', msg: 'exec: "nosuch": executable file not found in $PATH' });
    t.match(line.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    t.notOk(existsSync(pidFile));
    t.same(place.leftovers('f1'), []);
    for (const id of ['../x', 'a/b', '', '.', 'a b'])
      t.match(place.call('create', '--bundle', bundle, id).stderr, /container ID/, JSON.stringify(id));
    writeFileSync(join(bundle, 'config.json'), '{"ociVersion": "1.0.0",\n "process": [}');
    t.match(place.call('create', '--bundle', bundle, 'f2').stderr, /^config\.json:2:\d+: not JSON: /);
    t.match(place.call('create', '--bundle', '/nowhere', 'f2').stderr, /no such file or directory/);
    t.match(place.call('--systemd-cgroup', 'list').stderr, /--systemd-cgroup/);
    t.match(place.call('create', '--no-pivot', 'x').stderr, /--no-pivot is not supported/);
    t.match(place.call('checkpoint', 'x').stderr, /unknown command "checkpoint"/);
  });

  t.test('create is killed at any moment: delete --force leaves nothing', async t => {
    const bundle = place.bundle('sleep 60');
    for (const delay of [50, 70, 80, 90, 100, 110, 130, 160]) {
      const child = place.start('create', '--bundle', bundle, 'killed');
      const ended = new Promise(done => child.on('close', done));
      await new Promise(done => setTimeout(done, delay));
      child.kill('SIGKILL');
      await ended;
      t.equal(place.call('delete', '--force', 'killed').status, 0, `after ${delay} ms`);
      t.same(place.leftovers('killed'), [], `after ${delay} ms`);
    }
  });
});
