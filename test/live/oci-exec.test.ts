import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { needsRoot } from './harness.ts';
import { Place } from './oci.ts';

t.test('podspace-runtime: exec, hooks, the freezer', { skip: needsRoot }, async t => {
  const place = new Place();
  t.teardown(() => place.remove());

  t.test('exec', async t => {
    const bundle = place.bundle('sleep 60', config => {
      config.linux.resources = { pids: { limit: 50 } };
    });
    place.create(bundle, 'e1');
    place.call('start', 'e1');
    const exec = (...args: string[]) => place.call('exec', ...args);
    t.same(exec('e1', 'sh', '-c', 'echo out; echo err >&2; exit 7'), {
      status: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    t.equal(exec('e1', 'sh', '-c', 'kill -9 $$').status, 137);
    t.match(exec('e1', 'nosuch').stderr, /executable file not found in \$PATH/);
    t.match(exec('e1', '/etc/passwd').stderr, /permission denied/);
    t.match(exec('--user', '1x', 'e1', 'true').stderr, /is not uid\[:gid\]/);
    const asked = ['--user', '5:6', '--cwd', '/tmp', '--env', 'Q=r', '--cap', 'NET_RAW', '--no-new-privs'];
    const seen = exec(
      ...asked,
      'e1',
      'sh',
      '-c',
      'echo $(id -u):$(id -g) $PWD $Q; grep -E "CapInh|CapBnd|NoNew" /proc/self/status',
    );
    t.match(seen.stdout, /^5:6 \/tmp r\nCapInh:\t0+\nCapBnd:\t0+20002420\nNoNewPrivs:\t1\n$/);
    const process = {
      args: ['sh', '-c', 'echo $X; ls /proc/self/fd | wc -l'],
      cwd: '/',
      env: ['PATH=/bin', 'X=json'],
    };
    writeFileSync(join(bundle, 'process.json'), JSON.stringify(process));
    t.equal(exec('--process', join(bundle, 'process.json'), 'e1').stdout, 'json\n4\n', 'no fd of ours');
    writeFileSync(join(bundle, 'bad.json'), '{"args":["x"]}');
    t.match(exec('--process', join(bundle, 'bad.json'), 'e1').stderr, /^cwd: is not an absolute path/);
    const pidFile = join(bundle, 'exec.pid');
    const detached = place.callWith(
      { stdio: 'ignore' },
      'exec',
      '--detach',
      '--pid-file',
      pidFile,
      'e1',
      'sleep',
      '61',
    );
    t.equal(detached.status, 0);
    t.match(readFileSync(`/proc/${readFileSync(pidFile, 'utf8')}/cmdline`, 'utf8'), /^sleep\0/);
    t.equal((JSON.parse(place.call('ps', '--format', 'json', 'e1').stdout) as number[]).length, 2);
    t.match(place.call('ps', 'e1').stdout, /sleep 60[\s\S]*sleep 61/);

    t.equal(place.call('pause', 'e1').status, 0);
    t.equal(place.status('e1'), 'paused');
    t.match(exec('e1', 'true').stderr, /paused container/);
    t.equal(place.call('resume', 'e1').status, 0);
    t.equal(place.status('e1'), 'running');
    t.equal(place.call('update', '--pids-limit', '20', 'e1').status, 0);
    t.match(place.call('update', '--memory', 'x', 'e1').stderr, /--memory/);
    const stats = JSON.parse(place.call('events', '--stats', 'e1').stdout);
    t.match(stats, { type: 'stats', id: 'e1', data: { pids: { current: 2, limit: 20 } } });
    place.call('pause', 'e1');
    t.equal(place.call('delete', '--force', 'e1').status, 0, 'also what is frozen');
    t.same(place.leftovers('e1'), []);
  });

  t.test('a terminal goes to who listens at the console socket', async t => {
    const bundle = place.bundle('tty; stty size; echo done', config => {
      config.process.terminal = true;
      config.process.consoleSize = { height: 11, width: 22 };
    });
    t.match(place.call('create', '--bundle', bundle, 't0').stderr, /--console-socket is needed/);
    const socket = join(bundle, 'console');
    // Not read yet, so that the fd in it stays open.
    const server = createServer({ pauseOnConnect: true }).listen(socket);
    const connected = new Promise<Socket>(done => server.once('connection', done));
    await new Promise(done => server.once('listening', done));
    const child = place.start('create', '--bundle', bundle, '--console-socket', socket, 't1');
    t.equal(await new Promise(done => child.on('close', done)), 0);
    const connection = await connected;
    t.equal(place.status('t1'), 'created');
    t.equal(place.call('start', 't1').status, 0);
    t.equal(await new Promise(done => connection.once('data', data => done(data.length)).resume()), 1);
    connection.destroy();
    place.call('delete', '--force', 't1');
    server.close();
    t.match(
      place.call('create', '--bundle', place.bundle('true'), '--console-socket', socket, 't2').stderr,
      /terminal is false/,
    );
  });

  t.test('--preserve-fds and LISTEN_FDS', async t => {
    const bundle = place.bundle('cat <&3; ls /proc/self/fd | wc -l');
    const file = join(bundle, 'text');
    writeFileSync(file, 'preserved\n');
    const fd = openSync(file, 'r');
    const ran = place.callWith(
      { stdio: ['ignore', 'pipe', 'pipe', fd] },
      'run',
      '--preserve-fds',
      '1',
      '--bundle',
      bundle,
      'p1',
    );
    closeSync(fd);
    t.same(ran, { status: 0, stdout: 'preserved\n5\n', stderr: '' });
    t.match(
      place.call('run', '--preserve-fds', '9', '--bundle', bundle, 'p2').stderr,
      /at most 7 are supported/,
    );
    t.same(place.leftovers('p2'), []);
  });

  t.test('hooks: all six, in order, with the state', async t => {
    const log = join(place.directory, 'hooks');
    const write = (kind: string) => ({
      path: '/bin/sh',
      args: ['sh', '-c', `echo ${kind} $(grep -o '"status":"[a-z]*"') >> ${log}`],
    });
    const hooks = Object.fromEntries(
      ['prestart', 'createRuntime', 'createContainer', 'poststart', 'poststop'].map(kind => [
        kind,
        [write(kind)],
      ]),
    );
    const bundle = place.bundle('cat /started; sleep 0.2', config => {
      config.root.readonly = false;
      config.process.noNewPrivileges = false;
      config.hooks = {
        ...hooks,
        startContainer: [{ path: '/bin/sh', args: ['sh', '-c', 'cat > /started'] }],
      };
    });
    const ran = place.call('run', '--bundle', bundle, 'h1');
    t.match(JSON.parse(ran.stdout), { id: 'h1', status: 'created' });
    t.same(readFileSync(log, 'utf8').trim().split('\n'), [
      'prestart "status":"creating"',
      'createRuntime "status":"creating"',
      'createContainer "status":"creating"',
      'poststart "status":"running"',
      'poststop "status":"stopped"',
    ]);
    for (const [kind, hook, problem] of [
      ['createRuntime', { path: '/bin/false' }, /createRuntime hook #0: exit status 1/],
      [
        'prestart',
        { path: '/bin/sleep', args: ['sleep', '9'], timeout: 1 },
        /prestart hook #0: timed out after 1 s/,
      ],
      ['createContainer', { path: '/nowhere' }, /createContainer hook #0: exec: "\/nowhere": no such file/],
      ['startContainer', { path: '/bin/false' }, /startContainer hook #0: exit status 1/],
    ] as const) {
      const failing = place.bundle('echo ran', config => {
        config.hooks = { [kind]: [hook] };
      });
      const failed = place.call('run', '--bundle', failing, 'h2');
      t.equal(failed.status, 1, kind);
      t.match(failed.stderr, problem, kind);
      t.equal(failed.stdout, '', kind);
      t.same(place.leftovers('h2'), [], kind);
    }
    t.notOk(existsSync(join(place.directory, 'nowhere')));
  });
});
