// Compiles the test files of some areas (all by default) with esbuild and runs them under node --test, which counts them.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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
const compiled = files.map(file => join(OUT, `${outOf(file)}.mjs`));
const node = [
  process.execPath,
  '--enable-source-maps',
  '--test',
  ...['--test-reporter=tap', '--test-reporter-destination=stdout'],
  ...['--test-reporter=./scripts/failures-reporter.mjs', '--test-reporter-destination=stderr'],
  '--test-concurrency=1',
  ...compiled,
];
const [command, ...args] = process.geteuid() === 0 ? inPrivateNode(node) : node;
const { status } = spawnSync(command, args, { stdio: 'inherit', env });
process.exit(status ?? 1);
