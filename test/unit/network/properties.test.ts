import fc from 'fast-check';
import t from 'tap';
import type { Family } from '../../../src/base/addresses.ts';
import { type Party, verdict } from '../../../src/network/model.ts';
import { reachOf } from '../../../src/network/reachability.ts';
import { ruleset } from '../../../src/network/ruleset.ts';
import { addressOf, type NodeState, PROTOCOLS } from '../../../src/network/state.ts';
import { rounds } from '../../rounds.ts';
import { states } from './arbitrary.ts';
import { forward, readRules, walk } from './interpret.ts';
import { largeState } from './large.ts';
import { allows, type End } from './oracle.ts';

const OUTSIDE: Readonly<Record<Family, readonly string[]>> = {
  IPv4: ['192.0.2.9', '203.0.113.1'],
  IPv6: ['2001:db8::9', '2001:470::1'],
};
const PORTS = [1, 79, 80, 81, 82, 83, 84, 85, 86, 65535];

/** Pods that have an address of a family, and hosts outside. */
function ends(state: NodeState, family: Family): readonly End[] {
  return [
    ...state.pods.flatMap(pod => {
      const address = addressOf(pod, family);
      return address === undefined ? [] : [{ pod, address }];
    }),
    ...OUTSIDE[family].map(address => ({ address })),
  ];
}

const partyOf = ({ pod, address }: End): Party =>
  pod === undefined ? { kind: 'address', address } : { kind: 'pod', pod };

t.test('the model and the rules say what policies mean', t => {
  fc.assert(
    fc.property(states, state => {
      const rules = readRules(ruleset(state));
      for (const family of ['IPv4', 'IPv6'] as const)
        for (const from of ends(state, family))
          for (const to of ends(state, family)) {
            if (from.pod === undefined && to.pod === undefined) continue;
            for (const protocol of PROTOCOLS)
              for (const port of PORTS) {
                const expected = allows(state, from, to, protocol, port);
                const told = `${from.address} > ${to.address} ${port}/${protocol}`;
                const model = verdict(state, partyOf(from), partyOf(to), { protocol, port, family });
                if (model.allowed !== expected) throw new Error(`model: ${told} is not ${expected}`);
                if (from.pod !== undefined && from.pod === to.pod) continue;
                const done = forward(rules, {
                  family: family === 'IPv4' ? 'ip' : 'ip6',
                  saddr: from.address,
                  daddr: to.address,
                  protocol: protocol.toLowerCase() as 'tcp',
                  dport: port,
                });
                if ((done === 'accept') !== expected) throw new Error(`rules: ${told} is not ${expected}`);
              }
          }
    }),
    { numRuns: rounds(80) },
  );
  t.pass('for all of them');
  t.end();
});

t.test('the matrix has every port that a verdict allows, and no other', t => {
  fc.assert(
    fc.property(states, state => {
      for (const from of ends(state, 'IPv4'))
        for (const to of ends(state, 'IPv4')) {
          const { everything, ports } = reachOf(state, partyOf(from), partyOf(to));
          for (const protocol of PROTOCOLS)
            for (const port of PORTS) {
              const { allowed } = verdict(state, partyOf(from), partyOf(to), { protocol, port });
              const isThere =
                everything ||
                ports.some(each => each.protocol === protocol && each.first <= port && port <= each.last);
              if (isThere !== allowed) throw new Error(`${from.address} > ${to.address} ${port}/${protocol}`);
            }
        }
    }),
    { numRuns: rounds(30) },
  );
  t.pass('for all of them');
  t.end();
});

t.test('the text depends on what there is, not on the order in which it is told', t => {
  fc.assert(
    fc.property(states, state => {
      const other = {
        ...state,
        podCidrs: [...state.podCidrs].reverse(),
        pods: [...state.pods].reverse(),
        policies: [...state.policies].reverse(),
        namespaces: [...state.namespaces].reverse(),
      };
      if (ruleset(other) !== ruleset(state)) throw new Error('the texts differ');
    }),
    { numRuns: rounds(20) },
  );
  t.pass('for all of them');
  t.end();
});

t.test('no more rules are looked at for a packet among five hundred pods than among two', t => {
  // One of app0 in ns0 asks another one: policies isolate both, in both directions.
  const few = largeState(101, 1);
  const [client, server] = [few.pods[0], few.pods[100]];
  if (client === undefined || server === undefined) throw new Error('no pods');
  const lookedAt = (state: NodeState, dport: number): ReturnType<typeof walk> =>
    walk(readRules(ruleset(state)), {
      family: 'ip',
      saddr: client.ips[0] ?? '',
      daddr: server.ips[0] ?? '',
      protocol: 'udp',
      dport,
    });
  const small = { ...few, pods: [client, server] };
  for (const [port, verdict] of [
    [80, 'accept'],
    [81, 'drop'],
  ] as const) {
    const among2 = lookedAt(small, port);
    t.equal(among2.verdict, verdict);
    t.ok(among2.looked > 4, `${among2.looked} rules`);
    const among500 = lookedAt(largeState(500, 100), port);
    t.equal(among500.verdict, verdict);
    t.ok(among500.looked <= among2.looked, `${among500.looked} rules, and ${among2.looked}`);
  }
  t.end();
});
