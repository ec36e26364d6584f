// Runs every row under podspace-runtime, crun and runc, and writes docs/oci-conformance.md. With --check nothing is written:
// it fails if podspace-runtime does not do what the document says that it does.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { OPERATIONS } from './oci-conformance-operations.mjs';
import { ROWS } from './oci-conformance-rows.mjs';

const DOCUMENT = 'docs/oci-conformance.md';
const RUNTIMES = {
  'podspace-runtime': [process.execPath, resolve('dist/podspace-runtime.js')],
  crun: ['crun'],
  runc: ['runc'],
};
const isCheck = process.argv.includes('--check');
const image = resolve('build/rootfs/busybox/rootfs');
const work = mkdtempSync(join(tmpdir(), 'oci-conformance-'));
const environment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
const HOST_NET = readlinkSync('/proc/self/ns/net');
const HOST_TIME = readlinkSync('/proc/self/ns/time');
let serial = 0;

function call(runtime, args, options = {}) {
  const [command, ...first] = RUNTIMES[runtime];
  return spawnSync(command, [...first, '--root', join(work, `root-${runtime}`), ...args], {
    encoding: 'utf8',
    timeout: 20_000,
    env: environment,
    // Not /dev/null: crun gives it to the user of a container, and that is the machine's.
    input: '',
    stdio: 'pipe',
    ...options,
  });
}

/** A bundle of its own, with the busybox image as it is. */
function makeBundle(change, script) {
  const id = `conf-${process.pid}-${serial++}`;
  const bundle = join(work, id);
  mkdirSync(bundle);
  cpSync(image, join(bundle, 'rootfs'), { recursive: true, verbatimSymlinks: true });
  const dir = join(bundle, 'volume');
  mkdirSync(dir);
  const file = join(bundle, 'file');
  writeFileSync(file, 'content\n');
  const config = JSON.parse(readFileSync(join(work, 'config.json'), 'utf8'));
  // Debian 12's crun knows no later one.
  config.ociVersion = '1.0.2';
  config.process.args = ['sh', '-c', script];
  config.process.terminal = false;
  config.process.noNewPrivileges = false;
  config.root = { path: 'rootfs', readonly: false };
  config.hostname = 'conf';
  config.linux.devices = [];
  config.linux.resources = {};
  config.linux.cgroupsPath = `/oci-conformance/${id}`;
  const place = { bundle, dir, file, out: join(bundle, 'out'), netns: '/proc/self/ns/net' };
  change(config, place);
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
  return { id, bundle, place };
}

function rowResult(runtime, [, change, script, expected]) {
  const { id, bundle, place } = makeBundle(change, script);
  const ran = call(runtime, ['run', '--bundle', bundle, id]);
  call(runtime, ['delete', '--force', id]);
  let said = ran.status === 1 && ran.stdout === '' ? `ERROR ${ran.stderr.trim()}` : ran.stdout;
  try {
    said += `HOOK:${readFileSync(place.out, 'utf8')}`;
  } catch {
    // no hook wrote anything
  }
  said = said
    .replace(HOST_NET, 'HOSTNET')
    .replace(/time:\[\d+\]/, found => (found === HOST_TIME ? 'HOSTTIME' : 'NOTHOSTTIME'));
  rmSync(bundle, { recursive: true, force: true });
  if (expected.test(said)) return 'yes';
  return said.startsWith('ERROR') ? `refused: ${reason(said)}` : `no: ${said.trim().slice(0, 60)}`;
}

/** The last line, without what changes from run to run. */
const reason = text =>
  text
    .trim()
    .split('\n')
    .at(-1)
    .replace(/^ERROR |^time=.*?msg=/g, '')
    .replace(/conf-\d+-\d+/g, 'ID')
    .replaceAll('|', '\\|')
    .replace(work, '')
    .slice(0, 110);

function operationResult(runtime, [, operation]) {
  const { id, bundle } = makeBundle(() => {}, 'trap "exit 9" TERM; echo up; while :; do sleep 0.05; done');
  try {
    const problem = operation({
      id,
      bundle,
      call: (...args) => call(runtime, args),
      // What is created keeps its standard streams: nobody may wait for their end.
      create: (...args) => call(runtime, ['create', '--bundle', bundle, ...args, id], { stdio: 'ignore' }),
    });
    return problem === undefined
      ? 'yes'
      : `no: ${problem
          .split('\n')
          .at(-1)
          .replace(/^.*msg=/, '')
          .replaceAll('|', '\\|')
          .replaceAll(id, 'ID')
          .replaceAll(work, '')
          .slice(0, 90)}`;
  } catch (error) {
    return `no: ${error.message.slice(0, 60)}`;
  } finally {
    call(runtime, ['delete', '--force', id]);
    rmSync(bundle, { recursive: true, force: true });
  }
}

const runtimes = isCheck ? ['podspace-runtime'] : Object.keys(RUNTIMES);
try {
  const made = call('podspace-runtime', ['spec', '--bundle', work]);
  if (made.status !== 0) throw new Error(made.stderr);
  const lines = [...ROWS.map(row => [row, rowResult]), ...OPERATIONS.map(row => [row, operationResult])].map(
    ([row, result]) => `| ${row[0]} | ${runtimes.map(runtime => result(runtime, row)).join(' | ')} |`,
  );
  const counts = runtimes.map(
    (runtime, i) =>
      `${runtime} ${lines.filter(line => line.split(' | ')[i + 1]?.replace(/ \|$/, '') === 'yes').length}`,
  );
  if (isCheck) {
    const known = readFileSync(DOCUMENT, 'utf8').split('\n');
    const told = line => known.some(other => other.startsWith(`${line.slice(0, -2)} |`));
    const wrong = lines.filter(line => !told(line));
    for (const line of wrong) console.error(`not as in ${DOCUMENT}: ${line}`);
    console.log(`${lines.length} rows: ${counts.join(', ')}`);
    process.exitCode = wrong.length === 0 ? 0 : 1;
  } else {
    const text = `# Conformance to the OCI runtime-spec

Written by \`node scripts/oci-conformance.mjs\`, on a machine with hybrid cgroups and without CAP_SYS_RESOURCE. A row is one field or
operation: a bundle is run, and what is inside says whether the field is in force. \`refused\` is an error that names it.

Of ${lines.length} rows these do what the specification says: ${counts.join(', ')}.

| field or operation | ${runtimes.join(' | ')} |
|---|${runtimes.map(() => '---|').join('')}
${lines.join('\n')}
`;
    writeFileSync(DOCUMENT, text);
    console.log(`${lines.length} rows: ${counts.join(', ')}`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
  // The others remove a container's cgroup, and not the one above it, which may be below ours.
  const own = [...readFileSync('/proc/self/cgroup', 'utf8').matchAll(/:(\/.*)$/gm)].map(([, path]) => path);
  for (const name of ['.', ...readdirSync('/sys/fs/cgroup')])
    for (const path of new Set(['/', ...own]))
      try {
        rmdirSync(join('/sys/fs/cgroup', name, path, 'oci-conformance'));
      } catch {
        // not in this hierarchy
      }
}
