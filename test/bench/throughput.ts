/**
 * (h) Pod to pod, through the node and its rules, beside two network namespaces with a bare veth pair between them: bytes a
 * second and round trips, by iperf3 and by ping, in turns.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { median } from './report.ts';

const ROUNDS = Math.max(3, Math.round(Number(process.env.ROUNDS ?? 12) / 2));
const PODSPACE = 'dist/podspace.js';
const children: ChildProcess[] = [];

const run = (...words: readonly string[]): string => {
  const [file = '', ...args] = words;
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
};
const inside = (pid: number, ...words: readonly string[]): string =>
  run('nsenter', '-t', String(pid), '-n', ...words);

async function begin(file: string, args: readonly string[], input = ''): Promise<ChildProcess> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  child.stdin?.end(input);
  await once(child.stdout ?? child, 'data');
  return child;
}

/** A network namespace, named by a process in it. */
async function namespace(): Promise<number> {
  return (await begin('unshare', ['-n', 'sh', '-c', 'echo; exec sleep 1000'])).pid ?? 0;
}

interface End {
  readonly pid: number;
  readonly address: string;
}

async function bare(): Promise<readonly [End, End]> {
  const [one, other] = [await namespace(), await namespace()];
  run(
    'ip',
    'link',
    'add',
    'bare',
    'netns',
    String(one),
    'type',
    'veth',
    'peer',
    'bare',
    'netns',
    String(other),
  );
  return [one, other].map((pid, i) => {
    const address = `198.18.0.${i + 1}`;
    inside(pid, 'ip', 'addr', 'add', `${address}/24`, 'dev', 'bare');
    inside(pid, 'ip', 'link', 'set', 'bare', 'up');
    return { pid, address };
  }) as unknown as readonly [End, End];
}

/** Two pods, and a policy that lets one talk to the other. */
async function pods(): Promise<readonly [End, End]> {
  const pod = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { name } },
    spec: {
      containers: [
        { name: 'c', image: 'localhost/busybox', command: ['sh', '-c', 'echo up; exec sleep 1000'] },
      ],
    },
  });
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'server' },
    spec: {
      podSelector: { matchLabels: { name: 'server' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { name: 'client' } } }] }],
    },
  };
  const lists = [[pod('client')], [policy, pod('server')]];
  for (const items of lists)
    await begin(
      process.execPath,
      [PODSPACE, 'run', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
    );
  const { pods } = JSON.parse(run(process.execPath, PODSPACE, 'net', '-o', 'json')) as {
    pods: readonly { readonly name: string; readonly ips: readonly string[] }[];
  };
  return ['client', 'server'].map(name => {
    const [{ pid = 0 } = {}] = JSON.parse(run(process.execPath, PODSPACE, 'ps', name, '-o', 'json')) as {
      pid?: number;
    }[];
    return { pid, address: pods.find(each => each.name === name)?.ips[0] ?? '' };
  }) as unknown as readonly [End, End];
}

function measureOnce([client, server]: readonly [End, End], gigabits: number[], micros: number[]): void {
  const result = JSON.parse(inside(client.pid, 'iperf3', '-c', server.address, '-t', '1', '-J')) as {
    readonly end: { readonly sum_received: { readonly bits_per_second: number } };
  };
  gigabits.push(result.end.sum_received.bits_per_second / 1e9);
  const ping = inside(client.pid, 'busybox', 'ping', '-q', '-c', '200', '-i', '0.002', server.address);
  micros.push(Number(/= [\d.]+\/([\d.]+)\//.exec(ping)?.[1]) * 1000);
}

const [pair, podPair] = [await bare(), await pods()];
const rules = run('nft', 'list', 'table', 'inet', 'podspace');
const withoutRules = (measure: () => void): void => {
  run('nft', 'delete', 'table', 'inet', 'podspace');
  measure();
  execFileSync('nft', ['-f', '-'], { input: rules });
};
const variants = {
  'a bare veth pair': pair,
  'two pods, without the rules': podPair,
  'two pods, one policy': podPair,
};
const samples = Object.entries(variants).map(([name, ends]) => ({
  name,
  ends,
  gigabits: [] as number[],
  micros: [] as number[],
}));
try {
  for (const [, server] of [pair, podPair])
    await begin('nsenter', ['-t', String(server.pid), '-n', 'iperf3', '-s', '--forceflush']);
  for (let round = 0; round < ROUNDS; round++)
    for (const { name, ends, gigabits, micros } of samples) {
      const measure = (): void => measureOnce(ends, gigabits, micros);
      if (name.endsWith('without the rules')) withoutRules(measure);
      else measure();
    }
} finally {
  for (const child of children.reverse()) {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  }
}
const [first] = samples;
const rows = samples.map(({ name, gigabits, micros }) => {
  const [speed, time] = [median(gigabits), median(micros)];
  const cells = [
    speed.toFixed(1),
    (speed / median(first?.gigabits ?? [])).toFixed(2),
    time.toFixed(1),
    (time / median(first?.micros ?? [])).toFixed(2),
  ];
  return `| ${name} | ${cells.join(' | ')} |`;
});
console.log(
  [
    '### (h) from pod to pod',
    '',
    '| | Gbit/s, TCP | × | round trip µs | × |',
    '|---|---:|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n'),
);
