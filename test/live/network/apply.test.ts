import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { applyState, updateRules } from '../../../src/network/apply.ts';
import { runNft, runProgram } from '../../../src/network/nft-run.ts';
import { ruleset } from '../../../src/network/ruleset.ts';
import type { NodeState } from '../../../src/network/state.ts';
import { nodeOf, podAt, policyOf } from '../../unit/network/nodes.ts';
import { needsRoot } from '../harness.ts';
import { isOk, Lab, nft } from './lab.ts';
import { needsNetwork } from './needs-network.ts';

const client = podAt('x/client', '10.244.0.2');
const server = podAt('x/server', '10.244.0.3');
const closed = podAt('x/closed', '10.244.0.4');
const PODS = [client, server, closed];
const closing = (name: string) => policyOf(`x/${name}`, { podSelector: { matchLabels: { pod: name } } });
const policies = [closing('closed')];
/** States that are all different, and all let nobody to `closed`. */
const state = (i: number): NodeState =>
  nodeOf({
    pods: [...PODS, podAt(`x/other${i}`, `10.244.1.${i}`)],
    policies: [...policies, closing(`other${i}`)],
  });

t.test('rules are applied', { skip: needsRoot || needsNetwork }, async t => {
  const lab = new Lab();
  const directory = mkdtempSync(join(tmpdir(), 'podspace-rules-'));
  t.teardown(() => {
    lab.end();
    rmSync(directory, { recursive: true });
  });
  const [asker] = await Promise.all(PODS.map(pod => lab.pod(pod, [80])));
  nft(
    'table inet theirs { chain forward { type filter hook forward priority -5; counter; }; set s { type ipv4_addr; elements = { 192.0.2.1 }; }; }',
  );
  const theirs = (): string => nft('list table inet theirs').replace(/packets \d+ bytes \d+/, '');
  const untouched = theirs();

  t.equal(applyState(nodeOf({})), 'unchanged', 'nothing is there and nothing is needed');
  t.equal(applyState(state(1)), 'changed');
  t.equal(applyState(state(1)), 'unchanged');
  t.equal(applyState({ ...state(1), pods: [...state(1).pods].reverse() }), 'unchanged', 'in another order');
  const plain = podAt('x/plain', '10.244.2.1');
  t.equal(applyState({ ...state(1), pods: [...state(1).pods, plain] }), 'unchanged', 'a pod like any other');
  nft('flush chain inet podspace filter-forward');
  t.equal(applyState(state(2)), 'changed');
  nft('delete table inet podspace');
  t.equal(applyState(state(2)), 'changed', 'somebody took the table away');
  t.match(nft('list table inet podspace'), /chain filter-forward/);

  // What nft says of a transaction that it does not take, and what is left of it.
  const before = nft('list table inet podspace');
  for (const run of [undefined, runProgram]) {
    t.throws(() => runNft('add table ip more\nadd rule inet podspace nowhere accept\n', false, run), {
      message:
        'nftables: Could not process rule: No such file or directory: add rule inet podspace nowhere accept',
    });
    t.throws(() => runNft('add table ip more\nadd chain ip more x { nonsense; }\n', false, run), {
      message: /^nftables: syntax error, .*: add chain ip more x \{ nonsense; \}$/,
    });
  }
  t.notMatch(nft('list tables'), /ip more/, 'all or nothing');
  t.equal(nft('list table inet podspace'), before);
  t.equal(runNft('add table ip more\n', true), '', 'asked only');
  t.notMatch(nft('list tables'), /ip more/);

  await t.test('there is no moment without rules', async t => {
    let done = false;
    const questions = async (address: string): Promise<Readonly<Record<string, number>>> => {
      const counts: Record<string, number> = {};
      while (!done) {
        const answers = await asker?.ask(
          Array.from({ length: 20 }, () => ({ protocol: 'UDP', address, port: 80, timeout: 60 }) as const),
        );
        for (const answer of answers ?? []) counts[answer.kind] = (counts[answer.kind] ?? 0) + 1;
      }
      return counts;
    };
    const [open, shut] = ['10.244.0.3', '10.244.0.4'].map(questions);
    for (let i = 10; i < 40; i++) {
      t.equal(applyState(state(i)), 'changed');
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    done = true;
    t.same(Object.keys((await shut) ?? {}), ['timeout'], 'a closed pod is closed throughout');
    t.ok((await open)?.ok, 'an open one is open');
    t.end();
  });

  await t.test('one at a time', async t => {
    const reads: number[] = [];
    const read = (i: number) => (): NodeState => {
      reads.push(i);
      return state(i);
    };
    // Somebody else's process has the lock.
    const holder = spawn('flock', [join(directory, 'rules.lock'), 'sh', '-c', 'echo locked; read x'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const same = read(50);
    const waiting = [same, read(51), same, read(52)].map(each => updateRules(directory, each));
    await new Promise(resolve => setTimeout(resolve, 100));
    t.same(reads, [], 'while another process has the lock');
    holder.stdin.end('\n');
    t.same(await Promise.all(waiting), ['changed', 'changed', 'changed', 'changed']);
    t.same(reads, [50, 51, 52], 'who asks for the same is served together, everybody else in turn');
    t.equal(await updateRules(directory, read(52)), 'unchanged');
    await t.rejects(
      updateRules(directory, () => {
        throw new Error('no state');
      }),
      { message: 'no state' },
    );
    t.equal(await updateRules(directory, read(53)), 'changed', 'the lock is free again');
    t.end();
  });

  await t.test('answers go on', async t => {
    // Established before a policy forbids it.
    const ask = async (source: number): Promise<boolean> => {
      const [answer] =
        (await asker?.ask([{ protocol: 'UDP', address: '10.244.0.4', port: 80, source, timeout: 200 }])) ??
        [];
      return answer !== undefined && isOk(answer);
    };
    applyState(nodeOf({ pods: PODS }));
    t.ok(await ask(7000));
    applyState(state(60));
    t.ok(await ask(7000), 'a flow that was let through goes on');
    t.notOk(await ask(7001), 'a new one is not');
    t.end();
  });

  t.equal(applyState(nodeOf({})), 'changed');
  t.notMatch(nft('list tables'), /podspace/, 'no pod, no table');
  t.equal(applyState(nodeOf({})), 'unchanged');
  t.equal(theirs(), untouched, 'other tables are as they were');

  t.equal(runNft(ruleset(state(1)), false, runProgram), '', 'the program does what the library does');
  nft('delete table inet podspace');
  const { PATH } = process.env;
  process.env.PATH = '/nowhere';
  t.throws(() => runNft('add table inet podspace\n', false, runProgram), {
    message: 'host ports, network policies and Services need nftables',
    hint: 'install the package "nftables"',
  });
  process.env.PATH = PATH;
  t.end();
});
