/** (j) As an OCI runtime, beside crun and runc: whole commands, and containers under containerd. Prints its tables. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Containerd, hasContainerd } from '../live/containerd.ts';
import { Place, RUNTIME } from '../live/oci.ts';
import { memoryOf } from './memory.ts';
import { table } from './report.ts';
import { hyperfine } from './whole-commands.ts';

const CONTAINERS = 50;
/** Debian's crun refuses a machine that has both versions of cgroups. */
const VIEW = 'unshare -m sh -c \'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"\' sh';
const RUNTIMES = { 'podspace-runtime': RUNTIME, crun: 'crun --cgroup-manager=disabled', runc: 'runc' };

function commands(): void {
  const place = new Place();
  try {
    const bundle = place.bundle('true', config => {
      // Debian 12's crun knows no later one.
      Object.assign(config, { ociVersion: '1.0.2' });
      config.process.args = ['true'];
      config.process.rlimits = [];
    });
    const lines = Object.entries(RUNTIMES).map(([name, runtime]) => {
      const root = join(place.directory, `state-${name}`);
      mkdirSync(root, { recursive: true });
      const steps = join(place.directory, `${name}.sh`);
      const call = `${runtime} --root ${root}`;
      // What is created keeps its streams.
      writeFileSync(
        steps,
        `${call} create -b ${bundle} bench </dev/null >/dev/null 2>&1 && ${call} start bench && sleep 0.02 && ${call} delete --force bench\n`,
      );
      return { name, run: `${VIEW} ${call} run -b ${bundle} bench-${name}`, steps: `${VIEW} sh ${steps}` };
    });
    const node = ['`node -e 0`', `${process.execPath} -e 0`] as const;
    const rows = (what: 'run' | 'steps') =>
      hyperfine(
        place.directory,
        [node, ...lines.map(line => [line.name, line[what], 'peer'] as const)],
        '20',
      );
    console.log(table('(j) `run` of a bundle that runs `true`', '`node -e 0`', rows('run')));
    console.log(
      table('(j) `create`, `start`, 20 ms of nothing, `delete --force`', '`node -e 0`', rows('steps')),
    );
  } finally {
    place.remove();
  }
}

const nameOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').join(' ');
  } catch {
    return '';
  }
};

async function underContainerd(name: string, runtime: string): Promise<string> {
  const containerd = new Containerd();
  await containerd.start();
  try {
    containerd.importImage();
    const ids = Array.from({ length: CONTAINERS }, (_, i) => `bench${i}`);
    const image = 'docker.io/library/busybox:latest';
    const began = performance.now();
    await Promise.all(
      ids.map(id => {
        const args = ['--address', containerd.socket, 'run', '-d', '--runc-binary', runtime, image, id];
        const child = spawn('ctr', [...args, 'sleep', '3600'], { stdio: 'ignore' });
        return new Promise(done => child.once('exit', done));
      }),
    );
    const milliseconds = performance.now() - began;
    const running = containerd.ctr('task', 'ls').stdout.match(/RUNNING/g)?.length ?? 0;
    if (running !== CONTAINERS) throw new Error(`${running} of ${CONTAINERS} run under ${name}`);
    const pids = readdirSync('/proc').filter(pid => /^\d+$/.test(pid));
    const sum = (match: (text: string) => boolean): number =>
      pids.filter(pid => match(nameOf(pid))).reduce((total, pid) => total + memoryOf(Number(pid)).pss, 0) /
      1024;
    const shims = sum(text => text.includes('containerd-shim-runc-v2') && text.includes(containerd.socket));
    const payload = sum(text => text === 'sleep 3600 ');
    const rest = sum(text => text.startsWith('containerd --config ') && text.includes(containerd.directory));
    for (const id of ids) containerd.ctr('task', 'delete', '--force', id);
    for (const id of ids) containerd.ctr('container', 'rm', id);
    const all = [shims, payload, rest, shims + payload + rest].map(mib => mib.toFixed(1));
    return `| ${name} | ${(milliseconds / 1000).toFixed(2)} | ${all.join(' | ')} |`;
  } finally {
    await containerd.end();
    containerd.remove();
  }
}

commands();
if (hasContainerd) {
  const isThere = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
  const lines: string[] = [];
  for (const [name, runtime] of [
    ['podspace-runtime', RUNTIME],
    ['runc', 'runc'],
  ] as const)
    if (isThere(runtime)) lines.push(await underContainerd(name, runtime));
  console.log(
    [
      `### (j) ${CONTAINERS} containers under containerd, started at once by ctr`,
      '',
      'Memory is the share of each (PSS) in MiB, when all run: no process of the runtime is left then, whichever it is.',
      '',
      '| | s until all run | shims | containers | containerd | all |',
      '|---|---:|---:|---:|---:|---:|',
      ...lines,
      '',
    ].join('\n'),
  );
}
