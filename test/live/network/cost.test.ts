import t from 'tap';
import { applyState } from '../../../src/network/apply.ts';
import { needsRoot } from '../harness.ts';
import { Lab } from './lab.ts';
import { largeState } from './large.ts';
import { needsNetwork } from './needs-network.ts';

/** The fastest of some rounds is what it costs; the rest is what else the machine does. */
const MOST = 1.3;

t.test(
  'a packet costs the same among two pods and among five hundred',
  { skip: needsRoot || needsNetwork },
  async t => {
    const lab = new Lab();
    t.teardown(() => lab.end());
    // One of app0 in ns0 asks another one: policies isolate both, in both directions.
    const few = largeState(101, 1);
    const [client, server] = [few.pods[0], few.pods[100]];
    if (client === undefined || server === undefined) throw new Error('no pods');
    const [{ pid }] = await Promise.all([lab.pod(client, []), lab.pod(server, [80])]);
    const small = { ...few, pods: [client, server] };
    const large = largeState(500, 100);
    const measure = (flow: 'same' | 'new'): number => lab.ping(pid, server.ips[0] ?? '', 80, flow);
    for (const flow of ['same', 'new'] as const) {
      const [one, many] = [[small], [large]].map(() => [] as number[]);
      for (let round = 0; round < 3; round++) {
        applyState(small);
        one?.push(measure(flow));
        applyState(large);
        many?.push(measure(flow));
      }
      const [among2 = 0, among500 = 0] = [one, many].map(times => Math.min(...(times ?? [])));
      t.comment(`${flow === 'new' ? 'a new flow each' : 'one flow'}: ${among2} ns, ${among500} ns`);
      t.ok(among500 < among2 * MOST, `${flow}: ${among500} ns among 500 pods, ${among2} ns among 2`);
    }
    t.end();
  },
);
