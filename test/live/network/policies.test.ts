import t from 'tap';
import { applyState } from '../../../src/network/apply.ts';
import { type Party, verdict } from '../../../src/network/model.ts';
import type { NodeState } from '../../../src/network/state.ts';
import { nodeOf } from '../../unit/network/nodes.ts';
import { needsRoot } from '../harness.ts';
import { isOk, Lab, type Question } from './lab.ts';
import { needsNetwork } from './needs-network.ts';
import { CASES } from './policy-cases.ts';
import {
  ATTEMPTS,
  type Attempt,
  addressIn,
  type Case,
  isExpected,
  NAMESPACE_OBJECTS,
  NODE,
  OUTSIDE,
  PARTIES,
  PODS,
  PORTS,
} from './truth-table.ts';

const describe = ({ from, to, family, protocol, port }: Attempt): string =>
  `${from} > ${to} ${port}/${protocol} ${family}`;

const stateOf = ({ policies, pods = PODS, namespaces = NAMESPACE_OBJECTS }: Case): NodeState =>
  nodeOf({
    podCidrs: ['10.244.0.0/16', 'fd00:10:244::/48'],
    serviceCidrs: ['10.96.0.0/12', 'fd00:10:96::/112'],
    pods,
    namespaces,
    policies,
  });

function partyOf(name: string, attempt: Attempt, state: NodeState): Party {
  if (name === NODE) return { kind: 'node' };
  const pod = state.pods.find(each => `${each.namespace}/${each.name}` === name);
  return pod === undefined
    ? { kind: 'address', address: addressIn(name, attempt.family) }
    : { kind: 'pod', pod };
}

t.test(
  'policies: what is expected, what the model says, what the kernel does',
  { skip: needsRoot || needsNetwork },
  async t => {
    const lab = new Lab();
    t.teardown(() => lab.end());
    await Promise.all([
      ...PODS.map(pod => lab.pod(pod, PORTS)),
      ...Object.entries(OUTSIDE).map(([name, prefixes]) => lab.outside(name, prefixes, PORTS)),
      lab.node(NODE, PORTS),
    ]);

    /** Which of the attempts are let through. */
    async function tryAll(attempts: readonly Attempt[], timeout: number): Promise<readonly boolean[]> {
      const allowed = new Map<Attempt, boolean>();
      await Promise.all(
        PARTIES.map(async name => {
          const own = attempts.filter(({ from }) => from === name);
          const questions = own.map(
            ({ to, family, protocol, port }): Question => ({
              protocol,
              port,
              address: addressIn(to, family),
              timeout,
            }),
          );
          const answers = (await lab.agents.get(name)?.ask(questions)) ?? [];
          for (const [i, attempt] of own.entries()) {
            const answer = answers[i];
            // Whoever answers must be the one who was asked.
            allowed.set(attempt, answer !== undefined && isOk(answer) && answer.name === attempt.to);
          }
        }),
      );
      return attempts.map(attempt => allowed.get(attempt) === true);
    }

    for (const each of CASES) {
      const state = stateOf(each);
      applyState(state);
      const got = await tryAll(ATTEMPTS, 150);
      const expected = ATTEMPTS.map(attempt => isExpected(each, attempt));
      // A slow machine must not look like a policy.
      const late = ATTEMPTS.filter((_, i) => expected[i] === true && got[i] === false);
      const second = await tryAll(late, 3000);
      const kernel = ATTEMPTS.map((attempt, i) => got[i] === true || second[late.indexOf(attempt)] === true);
      const model = ATTEMPTS.map(
        attempt =>
          verdict(state, partyOf(attempt.from, attempt, state), partyOf(attempt.to, attempt, state), attempt)
            .allowed,
      );
      const differing = ATTEMPTS.flatMap((attempt, i) =>
        kernel[i] === expected[i] && model[i] === expected[i]
          ? []
          : [`${describe(attempt)}: expected ${expected[i]}, model ${model[i]}, kernel ${kernel[i]}`],
      );
      t.same(differing, [], each.name);
    }
    t.equal(applyState(nodeOf({})), 'changed', 'no pod, no table');
    t.end();
  },
);
