import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import t from 'tap';
import { runPod as runInProcess } from '../../src/library.ts';
import { needsRoot, podspace, probePod } from './harness.ts';
import { sh } from './hostile.ts';
import { podspaceCommand, underTerminal } from './terminal.ts';

const pod = (script: string, more: object = {}): ReturnType<typeof probePod> =>
  probePod({}, { image: 'localhost/busybox', ...sh(script), ...more });

/** What a container reads until its input ends; 143 is how timeout(1) says that it did not. */
const READ = 'timeout 1 cat; echo " $?"';
const ENDED = ' 0\n';
const OPEN = ' 143\n';

t.test('when the input of a container ends', { skip: needsRoot }, async t => {
  const dir = t.testdir({});
  for (const [container, args, expected] of [
    [{}, [], ENDED],
    [{}, ['-i'], `text${ENDED}`],
    [{ stdin: true }, [], OPEN],
    [{ stdin: true, stdinOnce: true }, [], OPEN],
    [{ stdin: true, stdinOnce: true }, ['-i'], `text${ENDED}`],
    [{ stdin: true }, ['-i'], `text${OPEN}`],
    [{ stdinOnce: true }, [], ENDED],
  ] as const) {
    const file = `${dir}/pod.json`;
    writeFileSync(file, JSON.stringify(pod(READ, container)));
    const { stdout, stderr } = podspace(['run', file, ...args], 'text');
    const title = JSON.stringify([container, args]);
    t.equal(stdout, expected, title);
    t.equal(/standard input has ended, and stays open/.test(stderr), expected === `text${OPEN}`, title);
  }
});

t.test('tty: a terminal without -t, whose lines end in CR LF', { skip: needsRoot }, async t => {
  const dir = t.testdir({
    'pod.json': JSON.stringify(pod('tty; test -t 0 && test -t 2 && echo $TERM', { tty: true })),
    'two.json': JSON.stringify(
      probePod({
        containers: [
          { name: 'a', image: 'localhost/busybox', tty: true, ...sh('tty') },
          { name: 'b', image: 'localhost/busybox', ...sh('tty; echo b') },
        ],
      }),
    ),
  });
  t.equal(podspace(['run', `${dir}/pod.json`]).stdout, '/dev/pts/0\r\nxterm\r\n');
  const json = JSON.parse(podspace(['run', `${dir}/pod.json`, '-o', 'json']).stdout);
  t.equal(json.containers[0].stdout, '/dev/pts/0\r\nxterm\r\n');
  const lines = podspace(['run', `${dir}/two.json`])
    .stdout.split('\n')
    .sort();
  t.same(lines, ['', '[a] /dev/pts/0\r', '[b] b', '[b] not a tty']);
});

t.test(
  'run -i makes our terminal one with that of a container that has one',
  { skip: needsRoot },
  async t => {
    const dir = t.testdir({ 'pod.json': JSON.stringify(pod('sh', { stdin: true, tty: true })) });
    const ran = await underTerminal(podspaceCommand(['run', '-i', `${dir}/pod.json`]), async typist => {
      await typist.waitFor('#');
      typist.write('stty size; sleep 100\r');
      await typist.waitFor('33 77');
      typist.write('\u0003');
      typist.write('exit 5\r');
    });
    t.equal(ran.status, 5);
  },
);

t.test('the library: input and a terminal', { skip: needsRoot }, async t => {
  const read = async (container: object, script: string, options: object): Promise<string | undefined> =>
    (await runInProcess(pod(script, container), options)).containers[0]?.stdout;
  t.equal(await read({}, READ, { stdin: 'text' }), `text${ENDED}`);
  t.equal(await read({}, READ, { stdin: new Uint8Array([65, 66]) }), `AB${ENDED}`);
  t.equal(await read({}, READ, { stdin: Readable.from(['a', 'b']) }), `ab${ENDED}`);
  t.equal(await read({ stdin: true }, READ, { stdin: 'text' }), `text${OPEN}`);
  t.equal(await read({ stdin: true }, READ, {}), OPEN);
  const large = 'x'.repeat(1 << 20);
  t.equal(await read({}, 'wc -c', { stdin: large }), `${large.length}\n`);
  t.equal(await read({}, 'exit 0', { stdin: large }), '', 'nobody needs to read it');
  t.equal(await read({}, 'stty size', { tty: { rows: 12, columns: 34 } }), '12 34\r\n');
  t.equal(await read({}, 'read x; echo "<$x>"', { tty: true, stdin: 'typed\n' }), 'typed\r\n<typed>\r\n');
  await t.rejects(read({}, 'true', { container: 'nobody', stdin: '' }), {
    message: 'container "nobody" is not in the manifest',
  });
});
