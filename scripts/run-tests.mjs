// Compiles the test files of some areas (all by default) with esbuild and runs them under node --test, which counts them.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { inPrivateNode } from './private-node.mjs';

const AREAS = ['unit', 'cases', 'rejected', 'validate', 'native', 'fuzz', 'live'];
const OUT = 'build/test';
const wanted = process.argv.slice(2);
const filter = wanted.filter(word => word.endsWith('.test.ts'));
const areas = filter.length > 0 ? [] : wanted.length > 0 ? wanted : AREAS;

const files = [
  ...filter,
  ...areas
    .flatMap(area =>
      existsSync(`test/${area}`)
        ? readdirSync(`test/${area}`, { recursive: true }).map(name => join('test', area, name))
        : [],
    )
    .filter(name => name.endsWith('.test.ts')),
].sort();
if (files.length === 0) {
  console.error(`no test file in ${wanted.join(', ')}`);
  process.exit(1);
}

rmSync(OUT, { recursive: true, force: true });
// All in one folder: the distance to dist/ is the same for each, also for one that is built alone.
const outOf = file =>
  file
    .replace(/^test\//, '')
    .replace(/\.ts$/, '')
    .replaceAll('/', '.');
await build({
  entryPoints: files.map(file => ({ in: file, out: outOf(file) })),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  outdir: OUT,
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
  sourcemap: 'inline',
});

if (process.geteuid() !== 0) console.log('not root: the live tests are skipped');
// A file of live tests takes some ten seconds, and many times that on a machine that others keep busy.
const env = { ...process.env, NODE_OPTIONS: '', TAP: '0', TAP_TIMEOUT: '300' };
delete env.NODE_EXTRA_CA_CERTS;
const counts = {};

/** Runs compiled files, one after the other, and adds up what node counts. Resolves with the exit code. */
function run(files, print) {
  if (files.length === 0) return 0;
  const node = [
    process.execPath,
    '--enable-source-maps',
    '--test',
    ...['--test-reporter=tap', '--test-reporter-destination=stdout'],
    ...['--test-reporter=./scripts/failures-reporter.mjs', '--test-reporter-destination=stderr'],
    '--test-concurrency=1',
    ...files.map(file => join(OUT, `${outOf(file)}.mjs`)),
  ];
  const [command, ...args] = process.geteuid() === 0 ? inPrivateNode(node) : node;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  createInterface({ input: child.stdout }).on('line', line => {
    const [, what, count] = /^# (tests|pass|fail|cancelled|skipped|todo) (\d+)$/.exec(line) ?? [];
    if (what !== undefined) counts[what] = (counts[what] ?? 0) + Number(count);
    print(line);
  });
  return new Promise(resolve => child.on('close', code => resolve(code ?? 1)));
}

// Files that make pods look at what is left on the machine: one at a time. The others are pure, and run beside them.
const makesPods = file => /^test\/(live|native)\//.test(file);
const others = [];
const codes = await Promise.all([
  run(
    files.filter(file => !makesPods(file)),
    line => others.push(line),
  ),
  run(files.filter(makesPods), line => console.log(line)),
]);
for (const line of others) console.log(line);
const all = Object.entries(counts).map(([what, count]) => `${what} ${count}`);
console.log(`\n# all: ${all.join(', ')}`);
process.exit(Math.max(...codes));
