import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CLOSE_RANGE } from '../../src/linux/constants.generated.ts';
import { ProgramError } from '../../src/native/execute.ts';
import { hostArch } from '../../src/native/library.ts';
import { makePipe, makeSocketPair } from '../../src/native/pipe.ts';
import { PodShim } from '../../src/native/pod-shim.ts';
import { readShimRecord } from '../../src/native/shim-records.ts';
import { flags, num, ProgramBuilder, parameter } from '../../src/program/builder.ts';
import type { Compiled } from '../../src/program/compile.ts';
import { verify } from '../../src/program/verify.ts';

interface Started {
  readonly shim: PodShim;
  readonly directory: string;
}

function place(t: Test): string {
  const directory = t.testdir({});
  mkdirSync(join(directory, 'records'));
  return directory;
}

async function start(t: Test): Promise<Started> {
  const directory = place(t);
  const shim = await PodShim.start(directory);
  t.teardown(() => {
    shim.quit();
    return shim.ended;
  });
  return { shim, directory };
}

function builder(): ProgramBuilder {
  const b = new ProgramBuilder(hostArch());
  b.call('close_range', [num(3), num(2 ** 32 - 1), flags(CLOSE_RANGE, 'CLOSE_RANGE_CLOEXEC')]);
  return b;
}

/** A command of a shell's with its output connected; in a sibling if wanted, as programs that join a PID namespace are. */
function shell(command: string, hasSibling = false): Compiled {
  const b = builder();
  if (hasSibling) b.clone();
  for (const [fd, name] of [
    [1, 'stdout'],
    [2, 'stderr'],
  ] as const)
    b.call('dup3', [parameter(name), num(fd), num(0)]);
  b.call('execve', [b.text('/bin/sh'), b.texts(['sh', '-c', command]), b.texts(['PATH=/bin:/usr/bin'])]);
  return { program: verify(b.build()), cloneFlags: [] };
}

/** Runs it under the shim, with a log; the path of that. */
async function run({ shim, directory }: Started, id: string, compiled: Compiled): Promise<string> {
  const path = join(directory, `${id}.log`);
  const log = openSync(path, 'a', 0o600);
  shim.log(id, log);
  const parameters: Record<string, number> = {};
  const pipes = (['stdout', 'stderr'] as const).map(stream => {
    const pipe = makePipe();
    shim.copy(id, stream, pipe.read);
    parameters[stream] = pipe.write;
    return pipe;
  });
  try {
    await shim.run(id, compiled, { parameters });
  } finally {
    for (const fd of [log, ...pipes.flatMap(({ read, write }) => [read, write])]) closeSync(fd);
  }
  return path;
}

const LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)$/;
const linesOf = (path: string): readonly (readonly string[])[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => LINE.exec(line)?.slice(1) ?? [`not a line: ${line}`]);
const soon = async (what: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !what(); i++) await new Promise(resolve => setTimeout(resolve, 10));
};

t.test('output is in the CRI format, and the end on record', async t => {
  const all = await start(t);
  const before = Date.now();
  const path = await run(all, 'web-0', shell('echo one; echo two >&2; printf three; exit 7'));
  const exit = await all.shim.exit('web-0');
  t.equal(exit?.status, 7 << 8);
  t.ok((exit?.finishedAt ?? 0) >= before - 1 && (exit?.finishedAt ?? 0) <= Date.now());
  const lines = linesOf(path);
  t.strictSame(
    lines.filter(([stream]) => stream === 'stdout'),
    [
      ['stdout', 'F', 'one'],
      ['stdout', 'P', 'three'],
    ],
  );
  t.strictSame(
    lines.filter(([stream]) => stream === 'stderr'),
    [['stderr', 'F', 'two']],
  );
  t.strictSame(readShimRecord(all.directory, 'web-0')?.end, exit);
  const stamp = Date.parse(readFileSync(path, 'utf8').slice(0, 30));
  t.ok(stamp >= before - 1 && stamp <= Date.now(), 'the time is now');
});

t.test('a line that is not whole does not wait for who else has the pipe', async t => {
  const all = await start(t);
  const path = await run(all, 'web-0', shell('(sleep 1; echo more) & printf begun; exit 0'));
  await all.shim.exit('web-0');
  t.strictSame(linesOf(path), [['stdout', 'P', 'begun']]);
  await soon(() => linesOf(path).length > 1);
  t.strictSame(linesOf(path)[1], ['stdout', 'F', 'more']);
});

t.test('a sibling is the process that counts', async t => {
  const all = await start(t);
  const path = await run(all, 'a-0', shell('echo $$; kill -9 $$', true));
  const exit = await all.shim.exit('a-0');
  t.equal(exit?.status, 9);
  t.match(linesOf(path), [['stdout', 'F', /^\d+$/]]);
});

t.test('long lines are cut, and nothing of much output is lost or doubled', async t => {
  const all = await start(t);
  const path = await run(
    all,
    'a-0',
    shell(
      `head -c 40000 /dev/zero | tr '\\0' x; echo; seq 1 200000; head -c 20000 /dev/zero | tr '\\0' '\\n'`,
    ),
  );
  await all.shim.exit('a-0');
  const lines = linesOf(path);
  t.strictSame(
    lines.slice(0, 3).map(([, tag, text]) => [tag, text?.length]),
    [
      ['P', 16384],
      ['P', 16384],
      ['F', 7232],
    ],
  );
  t.equal(lines.length, 3 + 200_000 + 20_000);
  t.ok(lines.slice(3, 200_003).every(([, tag, text], i) => tag === 'F' && text === String(i + 1)));
  t.ok(lines.slice(200_003).every(([, tag, text]) => tag === 'F' && text === ''));
});

t.test('it goes on without anybody, and is found again', async t => {
  const all = await start(t);
  const path = await run(all, 'a-0', shell('echo a; sleep 0.3; echo b; exit 3'));
  const { pid } = all.shim;
  all.shim.close();
  const again = PodShim.connect(all.directory, pid);
  t.equal((await again.exit('a-0'))?.status, 3 << 8);
  t.match(linesOf(path), [
    ['stdout', 'F', 'a'],
    ['stdout', 'F', 'b'],
  ]);
  again.close();
  const third = PodShim.connect(all.directory, pid);
  t.equal((await third.exit('a-0'))?.status, 3 << 8, 'from the record');
  await PodShim.end(all.directory);
  await third.ended;
});

t.test('what it keeps lasts; what it holds goes with the process; nothing of it reaches one', async t => {
  const all = await start(t);
  const pipe = makePipe();
  const [kept] = await all.shim.keep([pipe.read]);
  const [held] = await all.shim.hold('a-0', [pipe.write]);
  const linkOf = (fd = -1): string | undefined => {
    try {
      return readlinkSync(`/proc/${all.shim.pid}/fd/${fd}`);
    } catch {
      return undefined;
    }
  };
  const name = readlinkSync(`/proc/self/fd/${pipe.read}`);
  t.equal(linkOf(kept), name);
  t.equal(linkOf(held), name);
  const fetched = all.shim.fetch(kept ?? -1);
  t.equal(readlinkSync(`/proc/self/fd/${fetched}`), name);
  for (const fd of [fetched, pipe.read, pipe.write]) closeSync(fd);
  const path = await run(all, 'a-0', shell('ls /proc/self/fd | wc -l'));
  await all.shim.exit('a-0');
  t.match(linesOf(path), [['stdout', 'F', '4']], 'the three streams, and that of ls itself');
  await soon(() => linkOf(held) === undefined);
  t.equal(linkOf(held), undefined);
  t.equal(linkOf(kept), name);
});

t.test('who listens gets what is printed from then on', async t => {
  const all = await start(t);
  const [ours, theirs] = makeSocketPair();
  const path = await run(all, 'a-0', shell('sleep 0.2; printf hello'));
  all.shim.tee('a-0', theirs);
  closeSync(theirs);
  await all.shim.exit('a-0');
  t.equal(readFileSync(ours, 'utf8'), 'hello');
  closeSync(ours);
  t.match(linesOf(path), [['stdout', 'P', 'hello']]);
});

t.test('a program that fails says so', async t => {
  const all = await start(t);
  const b = builder();
  b.call('execve', [b.text('/nowhere'), b.texts(['x']), b.texts([])]);
  await t.rejects(all.shim.run('a-0', { program: verify(b.build()), cloneFlags: [] }, {}), ProgramError);
  await t.rejects(
    all.shim.run(
      'b-0',
      { program: verify(b.build()), cloneFlags: ['CLONE_NEWNS', 'CLONE_FS' as 'CLONE_NEWNS'] },
      {},
    ),
    { code: 'EINVAL' },
  );
});

t.test('it is waited for until its execve, however long that is after all else is closed', async t => {
  const all = await start(t);
  const b = new ProgramBuilder(hostArch());
  b.call('dup3', [parameter('stdout'), num(1), num(0)]);
  b.call('close_range', [num(3), num(2 ** 32 - 1), num(0)]);
  const time = new Uint8Array(16);
  new DataView(time.buffer).setBigInt64(8, 100_000_000n, true);
  b.call('ppoll', [num(0), num(0), b.bytes(time, '{0, 100 ms}'), num(0), num(8)]);
  b.call('execve', [b.text('/bin/sh'), b.texts(['sh', '-c', 'exit 4']), b.texts([])]);
  const pipe = makePipe();
  const compiled = { program: verify(b.build()), cloneFlags: [] };
  const before = Date.now();
  const { report } = await all.shim.run('a-0', compiled, { parameters: { stdout: pipe.write } });
  t.ok(Date.now() - before >= 95);
  t.equal(compiled.program.instructions[report.pc]?.name, 'execve');
  t.equal((await all.shim.exit('a-0'))?.status, 4 << 8);
  for (const fd of [pipe.read, pipe.write]) closeSync(fd);
});

t.test('its end is the end of all', async t => {
  const all = await start(t);
  await run(all, 'a-0', shell('sleep 100'));
  const { pid } = readShimRecord(all.directory, 'a-0') ?? {};
  const exit = all.shim.exit('a-0');
  execFileSync('kill', ['-9', String(all.shim.pid)]);
  await all.shim.ended;
  t.equal(await exit, undefined, 'nobody knows how it ended');
  t.ok(pid);
});

t.test('it ends with the directory of its pod', async t => {
  const all = await start(t);
  await run(all, 'a-0', shell('sleep 0.2'));
  rmSync(join(all.directory, 'records'), { recursive: true });
  await all.shim.ended;
  t.pass('it has gone');
});

t.test('a full disk holds lines back, and loses none', async t => {
  const all = await start(t);
  const mount = join(all.directory, 'small');
  mkdirSync(mount);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mount]);
  try {
    const filler = join(mount, 'filler');
    execFileSync('sh', ['-c', `head -c 60000 /dev/zero > ${filler}`]);
    const path = await run({ shim: all.shim, directory: mount }, 'a-0', shell('seq 1 500; echo end'));
    await new Promise(resolve => setTimeout(resolve, 300));
    t.ok(linesOf(path).length < 501, 'there was no room for all');
    const ticks = (): number =>
      Number(readFileSync(`/proc/${all.shim.pid}/stat`, 'utf8').split(' ')[13]) +
      Number(readFileSync(`/proc/${all.shim.pid}/stat`, 'utf8').split(' ')[14]);
    const before = ticks();
    await new Promise(resolve => setTimeout(resolve, 1000));
    t.ok(ticks() - before < 10, 'it tries again now and then, and sleeps meanwhile');
    execFileSync('rm', [filler]);
    await soon(() => linesOf(path).length >= 501);
    t.strictSame(
      linesOf(path).map(([, , text]) => text),
      [...Array.from({ length: 500 }, (_, i) => String(i + 1)), 'end'],
    );
  } finally {
    await PodShim.end(all.directory);
    await all.shim.ended;
    execFileSync('umount', ['-l', mount]);
  }
});
