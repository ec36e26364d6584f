/** (b), (c) and (f): whole commands, from the shell's point of view, measured by hyperfine. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Row, row } from './report.ts';
import { IMAGE, type Standalone, truePod } from './standalone.ts';

const PODSPACE = `${process.execPath} ${resolve('dist/podspace.js')}`;
const RUNS = process.env.RUNS ?? '40';

/** Not every machine lets everybody run: podman wants limits raised, say. */
const works = (command: string): boolean => spawnSync('sh', ['-c', command]).status === 0;

type Subject = readonly [name: string, command: string, isPeer?: 'peer'];

/** Every command's times in microseconds; the first one is what the others are compared with. */
export function hyperfine(directory: string, subjects: readonly Subject[], runs = RUNS): readonly Row[] {
  const there = subjects.filter(([, command, isPeer]) => isPeer === undefined || works(command));
  const file = join(directory, 'hyperfine.json');
  const args = ['-N', '--style=none', '--warmup=5', `--runs=${runs}`, `--export-json=${file}`];
  execFileSync('hyperfine', [...args, ...there.map(([, command]) => command)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const { results } = JSON.parse(readFileSync(file, 'utf8')) as { results: { times: number[] }[] };
  const times = results.map(result => result.times.map(seconds => seconds * 1e6));
  const base = row('', times[0] ?? [], 1).medianMicroseconds;
  return there.map(([name], i) => row(name, times[i] ?? [], base));
}

/** (b) One container that runs `true`. */
export function runTrue(bench: Standalone): readonly Row[] {
  const file = join(bench.directory, 'true.json');
  writeFileSync(file, JSON.stringify(truePod('bench')));
  const bundle = join(bench.directory, 'bundle');
  return hyperfine(bench.directory, [
    ['`node -e 0`', `${process.execPath} -e 0`],
    ['`podspace run true.yaml`', `${PODSPACE} run ${file}`],
    ['`crun run`', `crun --cgroup-manager=disabled run -b ${bundle} podspace-bench`, 'peer'],
    ['`runc run`', `runc run -b ${bundle} podspace-bench`, 'peer'],
    [
      '`bwrap --unshare-all`',
      `bwrap --ro-bind ${bench.rootfs} / --proc /proc --dev /dev --unshare-all /bin/true`,
      'peer',
    ],
  ]);
}

/** (c) A pod of 20 containers. */
export function twenty(bench: Standalone): readonly Row[] {
  const file = join(bench.directory, 'twenty.json');
  const names = Array.from({ length: 20 }, (_, i) => `c${i}`);
  const containers = names.map(name => ({ name, image: IMAGE, command: ['/bin/true'] }));
  writeFileSync(file, JSON.stringify({ ...truePod('bench'), spec: { restartPolicy: 'Never', containers } }));
  const loop = join(bench.directory, 'twenty.sh');
  const bundle = join(bench.directory, 'bundle');
  writeFileSync(
    loop,
    `for i in ${names.join(' ')}; do crun --cgroup-manager=disabled run -b ${bundle} bench-$i & done; wait\n`,
  );
  return hyperfine(
    bench.directory,
    [
      ['`podspace run`, 1 container', `${PODSPACE} run ${join(bench.directory, 'true.json')}`],
      ['`podspace run`, 20 containers', `${PODSPACE} run ${file}`],
      ['20 × `crun run` at once', `sh ${loop}`, 'peer'],
    ],
    '20',
  );
}

/** (f) Decisions about pods, with nothing run: a file of many documents, with and without policies. */
export function validate(bench: Standalone): readonly Row[] {
  const hardened = '{runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}';
  const document = (i: number, context: string): string =>
    [
      'apiVersion: v1',
      'kind: Pod',
      `metadata: {name: p${i}, labels: {app: web}}`,
      'spec:',
      `  securityContext: ${context}`,
      '  containers:',
      '  - name: main',
      '    image: localhost/busybox:1',
      '    command: [sleep, "60"]',
      '    ports: [{containerPort: 8080}]',
      '    resources: {limits: {cpu: 100m, memory: 64Mi}}',
      '    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}',
      '',
    ].join('\n');
  const file = (name: string, count: number, context = hardened): string => {
    const path = join(bench.directory, name);
    writeFileSync(path, Array.from({ length: count }, (_, i) => document(i, context)).join('---\n'));
    return path;
  };
  const [one, thousand, plain] = [
    file('one.yaml', 1),
    file('1000.yaml', 1000),
    file('plain.yaml', 1000, '{}'),
  ];
  const policies = `--policy ${resolve('examples/policies.yaml')} --as bob`;
  return hyperfine(
    bench.directory,
    [
      ['`podspace validate`, 1 pod', `${PODSPACE} validate ${one}`],
      ['1,000 pods in one file', `${PODSPACE} validate ${thousand}`],
      ['the same, `--level restricted`', `${PODSPACE} validate ${thousand} --level restricted`],
      ['1,000 pods that a policy changes', `${PODSPACE} validate ${plain} ${policies}`],
    ],
    '20',
  );
}

/** (c) A command in a container that runs already. */
export async function exec(bench: Standalone): Promise<readonly Row[]> {
  const file = join(bench.directory, 'sleep.json');
  const containers = [{ name: 'main', image: IMAGE, command: ['sleep', '1000'] }];
  writeFileSync(file, JSON.stringify({ ...truePod('bench-exec'), spec: { containers } }));
  const bundle = join(bench.directory, 'sleep');
  const { process: config, ...rest } = JSON.parse(
    readFileSync(join(bench.directory, 'bundle/config.json'), 'utf8'),
  ) as { process: object };
  execFileSync('mkdir', [bundle]);
  writeFileSync(
    join(bundle, 'config.json'),
    JSON.stringify({ ...rest, process: { ...config, args: ['/bin/sleep', '1000'] } }),
  );
  const peers = ['crun --cgroup-manager=disabled', 'runc'].filter(peer => works(`${peer} --version`));
  const started: ChildProcess[] = [
    spawn(process.execPath, [resolve('dist/podspace.js'), 'run', file], { stdio: 'ignore' }),
  ];
  const commands = peers.map(peer => `${peer} run -b ${bundle} bench-${peer.split(' ')[0]}`);
  for (const command of commands) started.push(spawn('sh', ['-c', `exec ${command}`], { stdio: 'ignore' }));
  await new Promise(done => setTimeout(done, 1000));
  try {
    return hyperfine(bench.directory, [
      ['`node -e 0`', `${process.execPath} -e 0`],
      ['`podspace exec`', `${PODSPACE} exec bench-exec -- /bin/true`],
      ...peers.map(peer => {
        const name = peer.split(' ')[0] ?? '';
        return [`\`${name} exec\``, `${peer} exec bench-${name} /bin/true`] as const;
      }),
    ]);
  } finally {
    for (const peer of peers) spawnSync('sh', ['-c', `${peer} kill bench-${peer.split(' ')[0]} KILL`]);
    started[0]?.kill('SIGTERM');
    await Promise.all(started.map(child => new Promise(done => child.once('exit', done))));
  }
}
