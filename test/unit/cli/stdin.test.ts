import { closeSync, fstatSync, readSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { StdinConnection } from '../../../src/cli/stdin.ts';
import { makePipe } from '../../../src/native/pipe.ts';
import { readAll } from '../../../src/runtime/streams.ts';

const realStdin = Object.getOwnPropertyDescriptor(process, 'stdin') ?? {};

const INTERACTIVE = { isInteractive: true, isTerminal: false };

/** Puts a stream in the place of our own standard input for one test. */
function ownStdin(t: { teardown(body: () => void): unknown }): PassThrough {
  const stdin = new PassThrough();
  Object.defineProperty(process, 'stdin', { value: stdin, configurable: true });
  t.teardown(() => Object.defineProperty(process, 'stdin', realStdin));
  return stdin;
}

/** A container's stdin: our end of the pipe, and what comes out of the other one until it is closed. */
function container(): {
  readonly stdin: number;
  readonly text: Promise<string>;
  readonly seen: () => string;
} {
  const { read, write } = makePipe();
  let seen = '';
  const text = readAll(read, chunk => {
    seen += chunk;
  }).then(() => seen);
  return { stdin: write, text, seen: () => seen };
}

/** Waits for what happens a moment later. */
async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !isSo(); i++) await sleep(5);
}

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

t.test('without -i a container has no input at all', async t => {
  const stdin = ownStdin(t);
  const { stdin: fd, text } = container();
  new StdinConnection({ isInteractive: false, isTerminal: false }).connect({
    stdin: fd,
    terminal: undefined,
  });
  stdin.write('not for you');
  t.equal(await text, '');
  t.notOk(isOpen(fd));
});

t.test('with -i it gets every byte, and its input ends with ours', async t => {
  const stdin = ownStdin(t);
  const { stdin: fd, text } = container();
  const connection = new StdinConnection(INTERACTIVE);
  connection.connect({ stdin: fd, terminal: undefined });
  const large = 'x'.repeat(1 << 20);
  stdin.write('some text\n');
  stdin.end(large);
  t.equal(await text, `some text\n${large}`);
  connection.close();
});

t.test('close detaches: nothing listens any more, and the container sees the end', async t => {
  const stdin = ownStdin(t);
  const { stdin: fd, text, seen } = container();
  const connection = new StdinConnection(INTERACTIVE);
  connection.connect({ stdin: fd, terminal: undefined });
  stdin.write('before');
  await until(() => seen() === 'before');
  connection.close();
  connection.close();
  t.same([stdin.listenerCount('data'), stdin.listenerCount('end')], [0, 0]);
  t.ok(stdin.isPaused(), 'our input no longer keeps the process alive');
  stdin.write('after');
  t.equal(await text, 'before');
});

t.test('a container that is started again gets the input from there on', async t => {
  const stdin = ownStdin(t);
  const connection = new StdinConnection(INTERACTIVE);
  const first = container();
  connection.connect({ stdin: first.stdin, terminal: undefined });
  stdin.write('one');
  await until(() => first.seen() === 'one');
  const second = container();
  connection.connect({ stdin: second.stdin, terminal: undefined });
  t.equal(await first.text, 'one');
  stdin.end('two');
  t.equal(await second.text, 'two');
  connection.close();
});

t.test(
  'a container that is started again after the end of our input sees that end',
  { timeout: 5000 },
  async t => {
    const stdin = ownStdin(t);
    const connection = new StdinConnection(INTERACTIVE);
    const first = container();
    connection.connect({ stdin: first.stdin, terminal: undefined });
    stdin.end('all');
    t.equal(await first.text, 'all');
    const second = container();
    connection.connect({ stdin: second.stdin, terminal: undefined });
    t.equal(await second.text, '');
    connection.close();
  },
);

t.test('an input that stays open does not end with ours, and says so', async t => {
  const stdin = ownStdin(t);
  const { stdin: fd, seen } = container();
  let told = 0;
  const connection = new StdinConnection({ ...INTERACTIVE, onKeptOpen: () => told++ });
  connection.connect({ stdin: fd, terminal: undefined });
  stdin.end('all');
  await until(() => seen() === 'all' && told === 1);
  t.same([seen(), told], ['all', 1]);
  t.ok(isOpen(fd));
  connection.close();
});

t.test('a container that does not read, or has closed its input, is no error', async t => {
  const stdin = ownStdin(t);
  const connection = new StdinConnection(INTERACTIVE);
  const { read, write } = makePipe();
  connection.connect({ stdin: write, terminal: undefined });
  for (let i = 0; i < 64; i++) stdin.write(Buffer.alloc(65536, 'x'));
  await until(() => stdin.isPaused());
  t.ok(stdin.isPaused(), 'what it does not read is not read either');
  readSync(read, Buffer.alloc(16));
  closeSync(read);
  stdin.write('into nothing');
  await sleep(20);
  connection.close();
  t.notOk(isOpen(write));
});
