import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CLOSE_RANGE } from '../../src/linux/constants.generated.ts';
import { executeInShim, ProgramError, reap } from '../../src/native/execute.ts';
import { hostArch } from '../../src/native/library.ts';
import { CWD, flags, num, ProgramBuilder } from '../../src/program/builder.ts';
import type { Compiled } from '../../src/program/compile.ts';
import { LAYOUT, PS_REPORT } from '../../src/program/layout.generated.ts';
import { verify } from '../../src/program/verify.ts';

/** A sibling that waits at a FIFO, where a hostile process of its PID namespace may get hold of it. */
function waitsAt(fifo: string, command: string): Compiled {
  const b = new ProgramBuilder(hostArch());
  b.call('close_range', [num(3), num(2 ** 32 - 1), flags(CLOSE_RANGE, 'CLOSE_RANGE_CLOEXEC')]);
  b.clone();
  b.call('openat', [CWD, b.text(fifo), b.open('O_RDONLY', 'O_CLOEXEC'), num(0)]);
  b.call('execve', [b.text('/bin/sh'), b.texts(['sh', '-c', command]), b.texts([])]);
  return { program: verify(b.build()), cloneFlags: [] };
}

const children = (): readonly number[] =>
  readdirSync('/proc/self/task')
    .flatMap(task => readFileSync(`/proc/self/task/${task}/children`, 'utf8').trim().split(' '))
    .filter(pid => pid !== '')
    .map(Number);
const maps = (pid: number): string => readFileSync(`/proc/${pid}/maps`, 'utf8');

/** The shim and its sibling, once that one waits: it sleeps in a state that the shim, a waiting parent, is not in. */
async function bothOf(): Promise<readonly [shim: number, sibling: number]> {
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, 5));
    const all = children();
    const sibling = all.find(pid => /^State:\s+S/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')));
    const shim = all.find(pid => pid !== sibling);
    if (sibling !== undefined && shim !== undefined) return [shim, sibling];
  }
}

function fifoOf(t: Test): string {
  const fifo = join(t.testdir({}), 'fifo');
  execFileSync('mkfifo', [fifo]);
  return fifo;
}

const letGo = (fifo: string): void => closeSync(openSync(fifo, 'w'));

t.test('the sibling has its report, but not the memory that says which process it is', async t => {
  const fifo = fifoOf(t);
  const running = executeInShim(waitsAt(fifo, 'exit 3'));
  const [shim, sibling] = await bothOf();
  t.match(maps(shim), 'podspace-sibling');
  t.match(maps(sibling), 'podspace-report');
  t.notMatch(maps(sibling), 'podspace-sibling');
  letGo(fifo);
  const child = await running;
  t.equal(child.pid, sibling);
  reap(child);
  t.strictSame(children(), []);
});

t.test('a report that was forged to say that it failed does not make us wait for it', async t => {
  const fifo = fifoOf(t);
  const running = executeInShim(waitsAt(fifo, 'exec sleep 100'));
  const [, sibling] = await bothOf();
  const report = /^([0-9a-f]+)-.*podspace-report/m.exec(maps(sibling))?.[1];
  const memory = openSync(`/proc/${sibling}/mem`, 'r+');
  writeSync(memory, Buffer.from([LAYOUT.PS_STATE_FAILED]), 0, 1, Number(`0x${report}`) + PS_REPORT.state);
  closeSync(memory);
  letGo(fifo);
  const before = Date.now();
  await t.rejects(running, ProgramError);
  t.ok(Date.now() - before < 5000);
  t.strictSame(children(), [], 'it was killed');
});

t.test('a sibling that is killed while it is waited for is no zombie, and named', async t => {
  const fifo = fifoOf(t);
  const running = executeInShim(waitsAt(fifo, 'true'));
  const [, sibling] = await bothOf();
  process.kill(sibling, 'SIGKILL');
  await t.rejects(running, /^instruction 2: openat\(.*: the process was killed there$/);
  t.strictSame(children(), []);
});

t.test('so it is when the shim is killed with it', async t => {
  const fifo = fifoOf(t);
  const running = executeInShim(waitsAt(fifo, 'true'));
  for (const pid of await bothOf()) process.kill(pid, 'SIGKILL');
  await t.rejects(running, /: the process was killed there$/);
  t.strictSame(children(), []);
});
