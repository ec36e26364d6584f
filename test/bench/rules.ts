/**
 * (g) The rules of a node with many pods and policies: how long until they are in force, and what a packet costs with them. In
 * a network namespace of its own, into which this process moves.
 */
import { applyState } from '../../src/network/apply.ts';
import { runNft } from '../../src/network/nft-run.ts';
import { ruleset } from '../../src/network/ruleset.ts';
import type { NodeState } from '../../src/network/state.ts';
import { Lab } from '../live/network/lab.ts';
import { largeState } from '../unit/network/large.ts';
import { nodeOf } from '../unit/network/nodes.ts';
import { row, table } from './report.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 12) * 2;
const state = largeState(300, 100);
/** All different: each has a pod less than the one before. */
const states = Array.from({ length: ROUNDS }, (_, i): NodeState => ({ ...state, pods: state.pods.slice(i) }));

/** Microseconds for each state. */
async function measure(body: (state: NodeState) => unknown): Promise<number[]> {
  const times: number[] = [];
  for (const each of states) {
    const start = process.hrtime.bigint();
    body(each);
    times.push(Number(process.hrtime.bigint() - start) / 1000);
    // Updates do not come one upon the other: the kernel is to be done with the old rules.
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return times;
}

const lab = new Lab();
try {
  const texts = new Map(states.map(each => [each, ruleset(each)]));
  const [text, nft, all, none] = [
    await measure(ruleset),
    await measure(each => runNft(texts.get(each) ?? '')),
    await measure(applyState),
    await measure(() => applyState(states.at(-1) ?? state)),
  ];
  const base = Math.max(...all.slice(0, 1));
  console.log(
    table('(g) the rules of 300 pods with 100 policies', 'the first update', [
      row('the text, made from the state', text, base),
      row('the text, taken by nftables', nft, base),
      row('an update: both, and what is remembered', all, base),
      row('an update that changes nothing', none, base),
    ]),
  );

  // Two of app0 in ns0, which a policy isolates in both directions.
  const [client, server] = [state.pods[0], state.pods[100]];
  if (client === undefined || server === undefined) throw new Error('no pods');
  const [{ pid }] = await Promise.all([lab.pod(client, []), lab.pod(server, [80])]);
  const [address = ''] = server.ips;
  const few = { ...largeState(101, 1), pods: [client, server] };
  const costs = [
    ['no rules', nodeOf({})],
    ['2 pods, no policy', { ...few, policies: [] }],
    ['2 pods, 1 policy', few],
    ['500 pods, 100 policies', largeState(500, 100)],
  ] as const;
  console.log('### (g) a question from pod to pod and its answer, by UDP\n');
  console.log('| | of one flow, µs | each of a new flow, µs |\n|---|---:|---:|');
  for (const [name, each] of costs) {
    applyState(each);
    const [same, fresh] = (['same', 'new'] as const).map(
      flow => lab.ping(pid, address, 80, flow, 1000) / 1000,
    );
    console.log(`| ${name} | ${same?.toFixed(1)} | ${fresh?.toFixed(1)} |`);
  }
} finally {
  applyState(nodeOf({}));
  lab.end();
}
