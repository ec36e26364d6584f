/** (f) What a pod's network costs: the same pod with just `lo`, and with a link, addresses and routes, in turns. */
import type { Exchange } from '../../src/network/wire.ts';
import { networkSettings } from '../../src/runtime/pod-network.ts';
import { median } from './report.ts';
import { timePod } from './time-pod.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 12) * 10;

const VARIANTS = {
  'just `lo`': networkSettings({ network: 'none' }, ''),
  'an IPv4 address': networkSettings({}, ''),
  'an IPv4 and an IPv6 address': networkSettings({ podCidr: '10.244.0.0/16,fd00:10:244::/64' }, ''),
};

const samples = Object.values(VARIANTS).map(() => ({
  total: [] as number[],
  wiring: [] as number[],
  ending: [] as number[],
}));
for (let round = 0; round < ROUNDS; round++)
  for (const [i, settings] of Object.values(VARIANTS).entries()) {
    const exchanges: Exchange[] = [];
    const total = await timePod({}, {}, settings, { onExchange: exchange => void exchanges.push(exchange) });
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
const rows = Object.keys(VARIANTS).map((name, i) => {
  const { total = [], wiring = [], ending = [] } = samples[i] ?? {};
  const cells = [median(wiring), median(ending), median(total), median(total) - base];
  return `| ${name} | ${cells.map(cell => (cell / 1000).toFixed(2)).join(' | ')} |`;
});
console.log(
  [
    '### (f) what a network costs: a pod that runs `true`',
    '',
    '| | to wire it, median ms | to unwire it | runPod() | more than the first |',
    '|---|---:|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n'),
);
