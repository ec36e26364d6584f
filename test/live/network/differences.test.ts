import fc from 'fast-check';
import t from 'tap';
import { CLONE } from '../../../src/linux/constants.generated.ts';
import { syscall } from '../../../src/native/libc.ts';
import { applyState } from '../../../src/network/apply.ts';
import { difference } from '../../../src/network/rules-diff.ts';
import { ownMemory, type RulesMemory } from '../../../src/network/rules-memory.ts';
import { ruleset } from '../../../src/network/ruleset.ts';
import type { NodeState } from '../../../src/network/state.ts';
import { states } from '../../unit/network/arbitrary.ts';
import { largeState } from '../../unit/network/large.ts';
import { nodeOf, podAt, serviceOf } from '../../unit/network/nodes.ts';
import { needsRoot } from '../harness.ts';
import { nft } from './lab.ts';
import { needsNetwork } from './needs-network.ts';

/** What is in force, whatever the order in which it was made. */
function listing(): readonly string[] {
  const blocks = [...nft('list table inet podspace').matchAll(/^\t(?:set|map|chain) .*?^\t\}$/gms)];
  return blocks
    .map(([block]) =>
      block.replace(/elements = \{([^}]*)\}/, (_, elements: string) =>
        elements
          .split(',')
          .map(element => element.trim())
          .sort()
          .join('\n'),
      ),
    )
    .sort();
}

const never: RulesMemory = { read: () => undefined, write: () => {} };

/** Host ports and Services come and go with their pods, which random states do not have. */
const published: readonly NodeState[] = [1, 2, 3, 2, 1].map(count =>
  nodeOf({
    pods: Array.from({ length: count }, (_, i) =>
      podAt(`x/p${i}`, `10.244.0.${i + 1}`, {
        labels: { app: `a${i % 2}` },
        ports: [{ containerPort: 80, hostPort: 8000 + i, protocol: i % 2 === 0 ? 'TCP' : 'UDP' }],
      }),
    ),
    services: Array.from({ length: count }, (_, i) =>
      serviceOf(`x/s${i}`, {
        clusterIP: `10.96.1.${i + 1}`,
        selector: { app: `a${i}` },
        ...(i === 0 ? { sessionAffinity: 'ClientIP', type: 'NodePort' } : {}),
        ports: [{ port: 80, ...(i === 0 ? { nodePort: 30080 } : {}) }],
      }),
    ),
    dns: {
      clusterIP: '10.96.0.10',
      listeners: Array.from({ length: count }, (_, i) => ({
        from: `10.244.0.${i + 1}`,
        address: `127.244.0.${i + 1}`,
        port: 10053 + (i % 2),
      })),
    },
  }),
);

t.test('a change comes to what would be made anew', { skip: needsRoot || needsNetwork }, t => {
  syscall('unshare', [CLONE.CLONE_NEWNET]);
  const all = [
    ...fc.sample(states, { numRuns: 24, seed: 5 }),
    ...published,
    ...[40, 39, 41].map(count => largeState(count, 10)),
  ];
  const anew = all.map(state => {
    applyState(nodeOf({}), { memory: never });
    applyState(state, { memory: never });
    return listing();
  });
  const memory = ownMemory();
  applyState(nodeOf({}), { memory });
  let changes = 0;
  for (const [i, state] of all.entries()) {
    const known = memory.read();
    if (known !== undefined && difference(known.text, ruleset(state)) !== undefined) changes++;
    applyState(state, { memory });
    t.equal(memory.read()?.text, ruleset(state), 'it is remembered');
    t.same(listing(), anew[i], `${i}`);
  }
  t.ok(changes > all.length / 2, `${changes} of ${all.length} are changes`);

  const [one, other] = published;
  if (one === undefined || other === undefined) throw new Error('no states');
  applyState(one, { memory });
  nft('flush chain inet podspace filter-forward');
  applyState(other, { memory });
  t.same(listing(), anew[25], 'what somebody else has changed is made anew');
  t.end();
});
