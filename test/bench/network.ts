/**
 * (f) What a pod's network costs: the same pod with just `lo`, and with a link, addresses and routes, in turns; as the only
 * pod of the node, which makes its table of rules and takes it away, and beside another one that has them already.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Exchange } from '../../src/network/wire.ts';
import { networkSettings } from '../../src/runtime/pod-network.ts';
import { median } from './report.ts';
import { timePod } from './time-pod.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 12) * 5;

const VARIANTS = {
  'just `lo`': networkSettings({ network: 'none' }, ''),
  'an IPv4 address': networkSettings({}, ''),
  'an IPv4 and an IPv6 address': networkSettings({ podCidr: '10.244.0.0/16,fd00:10:244::/64' }, ''),
};

/** The lines of a table. */
async function measure(): Promise<readonly string[]> {
  const samples = Object.values(VARIANTS).map(() => ({
    total: [] as number[],
    wiring: [] as number[],
    ending: [] as number[],
  }));
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, settings] of Object.values(VARIANTS).entries()) {
      const exchanges: Exchange[] = [];
      const observer = { onExchange: (exchange: Exchange): unknown => exchanges.push(exchange) };
      const total = await timePod({}, {}, settings, observer);
      // The first ones warm everything up.
      if (round < ROUNDS / 6) continue;
      const sum = (some: readonly Exchange[]): number =>
        some.reduce((all, { microseconds }) => all + microseconds, 0);
      samples[i]?.total.push(total);
      // The last one is the pod's end.
      samples[i]?.wiring.push(sum(exchanges.slice(0, -1)));
      samples[i]?.ending.push(sum(exchanges.slice(-1)));
    }
  const base = median(samples[0]?.total ?? []);
  return Object.keys(VARIANTS).map((name, i) => {
    const { total = [], wiring = [], ending = [] } = samples[i] ?? {};
    const cells = [median(wiring), median(ending), median(total), median(total) - base];
    return `| ${name} | ${cells.map(cell => (cell / 1000).toFixed(2)).join(' | ')} |`;
  });
}

/** A pod that is there until it is told to end. */
async function another(): Promise<() => Promise<void>> {
  const command = ['sh', '-c', 'echo up; trap "exit 0" TERM; sleep 1000 & wait'];
  const containers = [{ name: 'c', image: 'localhost/busybox', command }];
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'another' }, spec: { containers } };
  const child = spawn(
    process.execPath,
    ['dist/podspace.js', 'run', '-', '--pod-cidr', '10.244.0.0/16,fd00:10:244::/64'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  child.stdin.end(JSON.stringify(pod));
  await once(child.stdout, 'data');
  return async () => {
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
}

const HEAD = [
  '| | to wire it, median ms | to unwire it | runPod() | more than the first |',
  '|---|---:|---:|---:|---:|',
];
const alone = await measure();
const end = await another();
const beside = await measure();
await end();
console.log(
  [
    '### (f) what a network costs: a pod that runs `true`, the only one of its node',
    '',
    ...HEAD,
    ...alone,
    '',
    '### (f) what a network costs: the same beside another pod',
    '',
    ...HEAD,
    ...beside,
    '',
  ].join('\n'),
);
