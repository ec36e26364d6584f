/** (k) Pods that outlive their command, beside podman's. Prints its tables. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readProcStat } from '../../src/native/proc-stat.ts';
import { TestAgent } from '../live/agent.ts';
import { hasPodman, Podman } from '../live/podman.ts';
import { memoryOf } from './memory.ts';
import { median } from './report.ts';

const MANY = Number(process.argv[2] ?? 500);
/** podman takes its time. */
const FEW = Math.min(MANY, 50);
const GRACE = ['--grace-period', '1'];
/** Ticks of `utime` and `stime` in a second, wherever Linux runs. */
const TICKS = 100;
/** V8 collects its garbage in the first of them. */
const QUIET_SECONDS = 30;
const IDLE_SECONDS = 20;

const manifest = (count: number): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: Array.from({ length: count }, (_, i) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `bench${i}` },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image: 'localhost/busybox',
            imagePullPolicy: 'Never',
            command: ['sh', '-c', 'trap "exit 0" TERM; sleep 3600 & wait'],
          },
        ],
      },
    })),
  });

async function timed(body: () => unknown): Promise<number> {
  const began = performance.now();
  await body();
  return (performance.now() - began) / 1000;
}

/** Seconds of processor time that a process has taken. */
const processorTime = (pid: number): number => (readProcStat(pid)?.ticks ?? 0) / TICKS;

interface Measured {
  readonly applied?: number;
  readonly running: number;
  /** Seconds of the command that lists the pods. */
  readonly listed: readonly number[];
  /** MiB, and processor time of what stays for all pods, where there is something. */
  readonly central?: { readonly mib: number; readonly idlePercent: number; readonly busySeconds: number };
  /** KiB of what stays for each pod. */
  readonly each: readonly number[];
  readonly deleted: number;
}

const must = ({ status, stderr }: { status: number | null; stderr: string }): void => {
  if (status !== 0) throw new Error(stderr);
};

async function podspacePods(count: number): Promise<Measured> {
  const agent = new TestAgent();
  try {
    await agent.start();
    const file = join(agent.root, 'pods.json');
    writeFileSync(file, manifest(count));
    const began = performance.now();
    const applied = await timed(() => must(agent.command(['apply', '-f', file])));
    const isUp = async (): Promise<boolean> =>
      (await agent.pods()).every(({ status }) => status?.phase === 'Running');
    while (!(await isUp())) await delay(50);
    const running = (performance.now() - began) / 1000;
    const busySeconds = processorTime(agent.pid);
    const listed: number[] = [];
    for (let i = 0; i < 11; i++) listed.push(await timed(() => must(agent.command(['get', 'pods']))));
    await delay(QUIET_SECONDS * 1000);
    const before = processorTime(agent.pid);
    await delay(IDLE_SECONDS * 1000);
    const idlePercent = ((processorTime(agent.pid) - before) / IDLE_SECONDS) * 100;
    const central = { mib: memoryOf(agent.pid).rss / 1024, idlePercent, busySeconds };
    const each = agent.shims().map(pid => memoryOf(pid).pss);
    const names = Array.from({ length: count }, (_, i) => `bench${i}`);
    const deleted = await timed(() => must(agent.command(['delete', 'pods', ...names, ...GRACE])));
    const left = await agent.left();
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
    return { applied, running, listed, central, each, deleted };
  } finally {
    await agent.clear().catch(() => {});
    await agent.remove();
  }
}

/** Debian's crun does not run where there are both versions of cgroups; a network would be that of the machine. */
async function podmanPods(count: number): Promise<Measured> {
  const podman = new Podman('runc');
  const call = (...args: readonly string[]): void => {
    const { status, err } = podman.call(...args);
    must({ status, stderr: err });
  };
  try {
    const file = join(podman.directory, 'pods.yaml');
    writeFileSync(
      file,
      JSON.parse(manifest(count))
        .items.map((item: unknown) => JSON.stringify(item))
        .join('\n---\n'),
    );
    const running = await timed(() => call('kube', 'play', '--network', 'none', file));
    const listed: number[] = [];
    for (let i = 0; i < 5; i++) listed.push(await timed(() => call('pod', 'ps')));
    const conmons = readdirSync('/proc')
      .filter(pid => /^\d+$/.test(pid) && isConmonOf(pid, podman.directory))
      .map(pid => memoryOf(Number(pid)).pss);
    // A pod is a container of its own there, with a conmon of its own.
    const each = [conmons.reduce((sum, kib) => sum + kib, 0) / count];
    const deleted = await timed(() => call('kube', 'down', file));
    return { running, listed, each, deleted };
  } finally {
    podman.remove();
  }
}

function isConmonOf(pid: string, directory: string): boolean {
  try {
    const [program = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    return program.endsWith('conmon') && args.some(arg => arg.startsWith(directory));
  } catch {
    return false;
  }
}

const seconds = (value: number): string => `${value.toFixed(1)} s`;
const range = (values: readonly number[], digits: number): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;

/** A row, and how a measurement says it; "–" where there is nothing of the kind. */
const ROWS: readonly (readonly [string, (measured: Measured) => string | undefined])[] = [
  ['the command that starts them has ended', m => (m.applied === undefined ? undefined : seconds(m.applied))],
  ['all Running', m => seconds(m.running)],
  [
    '`get pods`, `pod ps`: ms, median (from–to)',
    m =>
      range(
        m.listed.map(s => s * 1000),
        0,
      ),
  ],
  ['memory of the agent', m => m.central && `${m.central.mib.toFixed(0)} MiB`],
  ['its processor time until all run', m => m.central && seconds(m.central.busySeconds)],
  ['its processor time when nothing happens', m => m.central && `${m.central.idlePercent.toFixed(2)} %`],
  ['memory of what stays for a pod (PSS): KiB', m => range(m.each, 0)],
  ['all deleted (`delete pods`, `kube down`)', m => seconds(m.deleted)],
];

const columns: [string, Measured][] = [
  [`podspace, ${MANY} pods`, await podspacePods(MANY)],
  [`podspace, ${FEW} pods`, await podspacePods(FEW)],
];
if (hasPodman && spawnSync('runc', ['--version']).status === 0)
  columns.push([`podman kube play, ${FEW} pods`, await podmanPods(FEW)]);
console.log(
  [
    '### (k) pods that outlive their command',
    '',
    "One busybox shell each, from one file. podspace's have a network each, podman's (with runc) have none. What stays for a",
    'pod is podspace-shim there, two conmons here; podman has no agent, and its `pod ps` reads a database.',
    '',
    `| | ${columns.map(([name]) => name).join(' | ')} |`,
    `|---|${columns.map(() => '---:|').join('')}`,
    ...ROWS.map(([name, say]) => `| ${name} | ${columns.map(([, m]) => say(m) ?? '–').join(' | ')} |`),
    '',
  ].join('\n'),
);
