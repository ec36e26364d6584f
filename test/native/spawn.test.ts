import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { CLOSE_RANGE, ERRNO } from '../../src/linux/constants.generated.ts';
import { execute, executeSync, ProgramError, reap } from '../../src/native/execute.ts';
import { rawSyscall } from '../../src/native/libc.ts';
import { hostArch, nativeDirectory, nativeLibrary } from '../../src/native/library.ts';
import { CWD, flags, num, ProgramBuilder } from '../../src/program/builder.ts';
import type { Compiled } from '../../src/program/compile.ts';
import { verify } from '../../src/program/verify.ts';
import { isRoot, needsRoot } from '../live/harness.ts';
import { needsArm64 } from './drivers.ts';

const PR_GET_DUMPABLE = 3;

function compile(body: (b: ProgramBuilder) => void): Compiled {
  const b = new ProgramBuilder(hostArch());
  body(b);
  return { program: verify(b.build()), cloneFlags: [] };
}

const execTrue = compile(b => {
  b.call('close_range', [num(3), num(2 ** 32 - 1), flags(CLOSE_RANGE, 'CLOSE_RANGE_CLOEXEC')]);
  // The change of ids makes the memory that it shares with this process non-dumpable.
  if (isRoot) b.call('setresuid', [num(65534), num(65534), num(65534)]);
  b.call('execve', [b.text('/bin/true'), b.texts(['true']), b.texts([])]);
});
const fails = compile(b => {
  b.call('umask', [num(0o22)]);
  b.call('openat', [CWD, b.text('/nowhere'), b.open('O_RDONLY'), num(0)]);
});

/** What a child could have changed in this process. */
function self(): Readonly<Record<string, string>> {
  const status = readFileSync('/proc/thread-self/status', 'utf8');
  const line = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(status)?.[1] ?? '';
  const names = ['SigBlk', 'SigIgn', 'SigCgt', 'Uid', 'Groups', 'CapEff', 'NoNewPrivs', 'Seccomp'];
  return {
    ...Object.fromEntries(names.map(name => [name, line(name)])),
    fds: readdirSync('/proc/self/fd').length.toString(),
    dumpable: String(rawSyscall('prctl', PR_GET_DUMPABLE, 0, 0, 0, 0)),
    children: readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8'),
    umask: process.umask().toString(8),
    cwd: process.cwd(),
  };
}

t.test('a child leaves nothing in its parent, whether its program ends well or not', async t => {
  reap(executeSync(execTrue));
  const before = self();
  reap(executeSync(execTrue));
  t.throws(() => executeSync(fails), /^instruction 1: openat\(AT_FDCWD, "\/nowhere".*ENOENT/);
  reap(await execute(execTrue));
  await t.rejects(execute(fails), /ENOENT/);
  t.strictSame(self(), before);
});

t.test('programs run at the same time in threads', async t => {
  const before = self();
  const all = await Promise.allSettled(
    Array.from({ length: 200 }, (_, i) => execute(i % 3 === 0 ? fails : execTrue)),
  );
  for (const [i, one] of all.entries()) {
    if (one.status === 'fulfilled') reap(one.value);
    else t.ok(one.reason instanceof ProgramError && one.reason.report.pc === 1);
    t.equal(one.status, i % 3 === 0 ? 'rejected' : 'fulfilled');
  }
  t.strictSame(self(), before);
});

t.test('two thousand children cost no memory and no files', t => {
  for (let i = 0; i < 200; i++) reap(executeSync(execTrue));
  const [before, rss] = [self(), process.memoryUsage().rss];
  for (let i = 0; i < 2000; i++) reap(executeSync(execTrue));
  t.strictSame(self(), before);
  t.ok(process.memoryUsage().rss - rss < 16 << 20, 'less than 8 KiB each, garbage included');
  t.end();
});

t.test('a block that is not well formed is EINVAL, and nothing is cloned', t => {
  const spawnRaw = nativeLibrary().func('ps_spawn', 'int64_t', [
    'void *',
    'size_t',
    'void *',
    'size_t',
    'uint64_t',
    'int',
    'void *',
  ]) as (...args: unknown[]) => number;
  const before = self();
  for (const size of [0, 1, 47, 48, 4096]) {
    const block = Buffer.alloc(Math.max(size, 1));
    t.equal(Number(spawnRaw(block, size, Buffer.alloc(4096), 4096, 0, -1, Buffer.alloc(4))), -ERRNO.EINVAL);
  }
  t.strictSame(self(), before);
  t.end();
});

const SHIM = `${nativeDirectory()}/podspace-shim`;

t.test('the shim refuses whatever is not a program', t => {
  const garbage = 'build/native-test-garbage';
  writeFileSync(garbage, Buffer.alloc(4096, 0xa5));
  const fd = openSync(garbage, 'r+');
  const run = (...args: string[]): number | null =>
    spawnSync(SHIM, args, { stdio: ['ignore', 'pipe', 'pipe', fd, fd, fd], timeout: 5000 }).status;
  for (const args of [
    [],
    ['3'],
    ['3', '4'],
    ['3', '4', '5', '6'],
    ['', '', ''],
    ['-1', '3', '4'],
    ['3', 'x', '4'],
    ['3', '4', 'x'],
    ['99', '98', '97'],
    ['3', '4', '5'],
  ])
    t.equal(run(...args), 126, args.join(' '));
  t.strictSame(readFileSync(garbage), Buffer.alloc(4096, 0xa5), 'and writes nothing');
  closeSync(fd);
  t.end();
});

t.test('the shim that is built for arm64 runs under qemu', { skip: needsArm64 }, async t => {
  const shim = 'dist/native/linux-arm64/podspace-shim';
  t.equal(spawnSync('qemu-aarch64', [shim, '3', 'x', '4']).status, 126);
  const pause = spawn('qemu-aarch64', ['-0', '/pause', shim], { stdio: 'ignore' });
  await new Promise(resolve => setTimeout(resolve, 300));
  t.equal(pause.exitCode, null, 'it waits');
  pause.kill('SIGTERM');
  t.equal(await new Promise(resolve => pause.once('exit', resolve)), 0);
});

t.test('as /drain it reads to the end, and prints nothing', async t => {
  const drain = spawn(SHIM, [], { argv0: '/drain', stdio: ['pipe', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [drain.stdout, drain.stderr]) stream.on('data', chunk => (printed += chunk));
  const ended = new Promise(resolve => drain.once('close', resolve));
  await new Promise<void>(resolve => drain.stdin.write(Buffer.alloc(1 << 20), () => resolve()));
  t.equal(drain.exitCode, null, 'it waits');
  drain.stdin.end();
  t.equal(await ended, 0);
  t.equal(printed, '');
});

t.test('as /pause it reaps orphans, and ends on SIGTERM', { skip: needsRoot }, async t => {
  const script = `exec -a /pause ${SHIM}`;
  const child = spawn('unshare', ['-pf', '--kill-child', '--mount-proc', 'bash', '-c', script], {
    stdio: 'ignore',
  });
  const pause = await new Promise<number>(resolve => {
    const look = (): void => {
      const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
      if (children !== '' && readFileSync(`/proc/${children}/comm`, 'utf8') === 'pause\n')
        resolve(Number(children));
      else setTimeout(look, 10);
    };
    look();
  });
  // A grandchild whose parent has ended becomes the pause process' own.
  execFileSync('nsenter', ['-t', String(pause), '-p', '-m', 'sh', '-c', '(sleep 0.1 & exec true) & wait']);
  await new Promise(resolve => setTimeout(resolve, 400));
  t.equal(readFileSync(`/proc/${pause}/task/${pause}/children`, 'utf8'), '', 'no zombie is left');
  process.kill(pause, 'SIGTERM');
  t.equal(await new Promise(resolve => child.once('exit', resolve)), 0);
});
