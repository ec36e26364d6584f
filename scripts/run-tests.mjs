// Compiles the test files of some areas (all by default) with esbuild, and runs them in lanes beside each other.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { makeTestNode } from './test-node.mjs';

const AREAS = ['unit', 'cases', 'rejected', 'validate', 'native', 'fuzz', 'live'];
const OUT = 'build/test';
const isRoot = process.geteuid() === 0;
const wanted = process.argv.slice(2);
const filter = wanted.filter(word => word.endsWith('.test.ts'));
const areas = filter.length > 0 ? [] : wanted.length > 0 ? wanted : AREAS;

/** These look at the machine's cgroups from their root on. */
const OF_MACHINE = new Set([
  'cgroup-views',
  'oci-containerd',
  'oci-generated',
  'oci-podman',
  'oracle',
  'resources',
  'systemd',
]);
/** The slowest ones, which are begun first: what is begun last is what the others wait for. */
const SLOW = [
  ...[
    'faults',
    'agent-faults',
    'oci-generated',
    'oci-lifecycle',
    'hostile-image',
    'cp',
    'agent-changes',
    'agent-logs',
    'agent-slow-clients',
    'agent-upgrade',
    'hostile-mounts',
    'escape',
    'diff',
    'audit',
    'claims',
    'policies',
    'ends',
  ],
  ...['network', 'spawn', 'interpret', 'upstream', 'object-store', 'objects', 'hostile-layers', 'server'],
];

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
const titleOf = file => basename(file, '.test.ts');
const isSlow = file => SLOW.includes(titleOf(file));
files.sort(
  (a, b) => isSlow(b) - isSlow(a) || (isSlow(a) ? SLOW.indexOf(titleOf(a)) - SLOW.indexOf(titleOf(b)) : 0),
);

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
  // Packages too: each test file would spend a quarter of a second to find and read tap's four hundred modules.
  external: ['koffi', '@koromix/*'],
  banner: {
    js: "import { createRequire as requireFrom$ } from 'node:module'; globalThis.require ??= requireFrom$(import.meta.url);",
  },
  outdir: OUT,
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
  // Node reads the maps of whatever it loads: without the sources, which are on the disk.
  sourcemap: 'linked',
  sourcesContent: false,
});

if (!isRoot) console.log('not root: the live tests are skipped');
// A file of live tests takes some ten seconds, and many times that on a machine that others keep busy.
const env = { TAP_TIMEOUT: '300', ...process.env, NODE_OPTIONS: '', TAP: '0' };
delete env.NODE_EXTRA_CA_CERTS;

const counts = {};
const results = [];
const failures = [];
const runners = [];
let number = 0;

function take({ source, text, counts: ofFile, failures: some, seconds, cpu }) {
  process.stdout.write(text);
  for (const [what, count] of Object.entries(ofFile)) counts[what] = (counts[what] ?? 0) + count;
  failures.push(...some);
  results.push({ source, seconds, cpu });
}

/** Runs files of these queues, the first queue first, one at a time, until there are none. */
function lane(wrap, queues) {
  const [command, ...args] = wrap([process.execPath, '--enable-source-maps', 'scripts/test-lane.mjs']);
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env });
  runners.push(child);
  let current;
  child.on('message', result => {
    if (result !== null) take(result);
    current = queues.find(queue => queue.length > 0)?.shift();
    number += current === undefined ? 0 : 1;
    child.send(
      current === undefined ? null : { file: join(OUT, `${outOf(current)}.mjs`), source: current, number },
    );
  });
  return new Promise(resolve =>
    child.on('close', (code, signal) => {
      if (current !== undefined)
        failures.push(`FAILED: ${current}: its runner ended with ${signal ?? code}\n`);
      else if (code !== 0) failures.push(`FAILED: a runner of tests ended with ${signal ?? code}\n`);
      resolve();
    }),
  );
}

// Files that make pods look at what is left behind: one at a time in each of two nodes or more, that have nothing to do with
// each other. The others are pure; one more lane has them, after what needs the machine's cgroups.
const makesPods = file => /^test\/(live|native)\//.test(file);
const ofMachine = files.filter(file => makesPods(file) && OF_MACHINE.has(titleOf(file)));
const ofNode = files.filter(file => makesPods(file) && !OF_MACHINE.has(titleOf(file)));
const pure = files.filter(file => !makesPods(file));
const most = isRoot ? Math.max(2, Math.min(4, Math.floor(availableParallelism() / 2))) : 0;
const nodes = Array.from({ length: Math.min(most, ofNode.length) }, () => makeTestNode());
const machine = isRoot ? makeTestNode({ hasOwnCgroups: false }) : undefined;

// What was made is removed all the same; the runners end the file that they run.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    failures.push(`FAILED: ended by ${signal}\n`);
    for (const queue of [ofMachine, ofNode, pure]) queue.length = 0;
    for (const runner of runners) runner.kill(signal);
  });
const began = performance.now();
console.log('TAP version 13');
const lanes = nodes.map(node => lane(node.wrap, [ofNode, pure]));
lanes.push(
  machine === undefined
    ? lane(command => command, [pure, ofMachine, ofNode])
    : lane(machine.wrap, [ofMachine, pure]),
);
await Promise.all(lanes);
for (const node of [machine, ...nodes])
  for (const path of node?.remove() ?? []) failures.push(`FAILED: a pod has left ${path}\n`);

console.log(`1..${number}`);
const slowest = results.sort((a, b) => b.seconds - a.seconds).slice(0, 15);
console.log(
  `# ${files.length} files in ${Math.round((performance.now() - began) / 1000)} s; the slowest (s, of it computing):`,
);
for (const { source, seconds, cpu } of slowest)
  console.log(`#   ${seconds.toFixed(1).padStart(5)} ${cpu.toFixed(1).padStart(5)}  ${source}`);
const all = ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'].map(
  what => `${what} ${counts[what] ?? 0}`,
);
console.log(`\n# all: ${all.join(', ')}`);
for (const text of failures) process.stderr.write(text);
process.exit(failures.length > 0 || (counts.fail ?? 0) + (counts.cancelled ?? 0) > 0 ? 1 : 0);
