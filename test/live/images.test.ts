import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { needsRoot, PODSPACE, podspace } from './harness.ts';

/** A state directory of its own, and a small root file system. */
function setUp(t: { testdir: typeof import('tap').default.testdir }): {
  readonly root: string;
  readonly source: string;
} {
  const directory = t.testdir({
    source: { etc: { passwd: 'root:x:0:0::/:\n' }, bin: { tool: 'x'.repeat(100_000) } },
  });
  return { root: join(directory, 'state'), source: join(directory, 'source') };
}

t.test('podspace image, from import to rm', { skip: needsRoot }, t => {
  const { root, source } = setUp(t);
  const image = (...args: string[]): ReturnType<typeof podspace> =>
    podspace(['--root', root, 'image', ...args]);
  t.match(image('ls'), { status: 0, stdout: /^NAME +ID +SIZE +CREATED\n$/ });
  t.match(image('import', 'localhost/app', source), {
    status: 0,
    stdout: /^imported localhost\/app:latest \(/,
  });
  t.match(image('ls'), { stdout: /\nlocalhost\/app:latest +[0-9a-f]{12} +\d+(\.\d)? [KM]B +2/ });
  t.match(JSON.parse(image('ls', '-o', 'json').stdout), [{ reference: 'localhost/app:latest' }]);
  t.match(image('rm', 'app'), { status: 0, stdout: 'removed localhost/app:latest\n' });
  t.match(image('rm', 'app'), { status: 1, stderr: /^error: image "app" not found\nhint: / });
  const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [['rm'], /image rm needs NAME/],
    [['import'], /image import needs NAME and a directory or tar archive/],
    [['import', source], /does not say what its image is called\nhint: podspace image import NAME/],
    [['import', 'X', source], /repository name \(library\/X\) must be lowercase/],
    [['import', 'x', `${source}/nosuch`], /nosuch" does not exist/],
    [['import', 'x', `${source}/etc/passwd`], /cannot import ".*passwd": not a tar archive: /],
    [['import', 'x', source, '--config', `${source}/nosuch`], /cannot read ".*nosuch": no such file/],
    [['import', 'x', source, '--config', `${source}/etc/passwd`], /passwd: .*JSON/],
    [['frobnicate'], /unknown action "frobnicate"\nhint: podspace image ls\|pull\|import\|inspect/],
  ];
  for (const [args, message] of wrong) {
    const { status, stderr } = image(...args);
    t.equal(status, 1, args.join(' '));
    t.match(stderr, message);
    t.notMatch(stderr, /\n +at /, 'no stack');
  }
  t.same(readdirSync(join(root, 'images/roots')), []);
  t.end();
});

t.test('one name imported by many commands at once', { skip: needsRoot }, async t => {
  const { root, source } = setUp(t);
  const command = [PODSPACE, '--root', root, 'image', 'import', 'localhost/app', source];
  const codes = await Promise.all(
    Array.from({ length: 12 }, async () => {
      const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] });
      return new Promise(done => child.on('close', done));
    }),
  );
  t.same(codes, Array(12).fill(0));
  podspace(['--root', root, 'gc']);
  t.equal(readdirSync(join(root, 'images/roots')).length, 1);
  t.equal(JSON.parse(podspace(['--root', root, 'image', 'ls', '-o', 'json']).stdout).length, 1);
});

for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
  t.test(`an import that ends half-way with ${signal} is never seen`, { skip: needsRoot }, async t => {
    const { root, source } = setUp(t);
    const ls = (): string => podspace(['--root', root, 'image', 'ls']).stdout;
    const child = spawn(
      process.execPath,
      [PODSPACE, '--root', root, 'image', 'import', 'localhost/app', '-'],
      {
        stdio: ['pipe', 'ignore', 'ignore'],
      },
    );
    const roots = join(root, 'images/roots');
    const begun = (): boolean =>
      existsSync(roots) &&
      readdirSync(roots, { recursive: true }).some(name => /rootfs.(etc|bin)/.test(String(name)));
    const ended = new Promise(done => child.on('close', done));
    child.stdin.on('error', () => undefined);
    // The first entries are there, and the rest is waited for.
    const header = spawn('tar', ['-cC', source, '.']);
    header.stdout.once('data', chunk => child.stdin.write(chunk.subarray(0, 2048)));
    header.stdout.resume();
    for (let i = 0; i < 200 && !begun(); i++) await sleep(20);
    t.notMatch(ls(), 'localhost/app');
    child.kill(signal);
    await ended;
    child.stdin.destroy();
    t.notMatch(ls(), 'localhost/app');
    if (signal === 'SIGKILL')
      t.match(podspace(['--root', root, 'gc']).stdout, /^removed image files [0-9a-f]{12}\n$/);
    t.same(readdirSync(join(root, 'images/roots')), []);
    t.same(readdirSync(join(root, 'images/names')), []);
  });
}
