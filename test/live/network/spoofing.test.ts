import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { applyState } from '../../../src/network/apply.ts';
import { linkNames } from '../../../src/network/names.ts';
import { nodeOf, podAt } from '../../unit/network/nodes.ts';
import { needsRoot } from '../harness.ts';
import { ip, Lab, nft } from './lab.ts';
import { needsNetwork } from './needs-network.ts';

const pods = [podAt('x/one', '10.244.0.2'), podAt('x/other', '10.244.0.3')] as const;
const [one, other] = pods;
/** Of the range, but of no pod: whoever has it, it is not podspace's to judge. */
const NOBODY = '10.244.9.9';

t.test(
  'nobody speaks with the address of a pod but the pod',
  { skip: needsRoot || needsNetwork },
  async t => {
    const lab = new Lab();
    t.teardown(() => {
      applyState(nodeOf({}));
      lab.end();
    });
    const [outside] = await Promise.all([
      lab.outside('near', ['192.0.2'], []),
      ...pods.map(pod => lab.pod(pod, [])),
    ]);
    const link = (uid: string): string => linkNames(uid).name;
    // The kernel's own filter of the way back would hide what the rules do.
    for (const device of ['all', 'near', link(one.uid), link(other.uid)])
      writeFileSync(`/proc/sys/net/ipv4/conf/${device}/rp_filter`, '0');
    const counted = 'ip daddr 10.244.0.3 icmp type echo-request counter';
    nft(`table inet theirs { chain forward { type filter hook forward priority -5; ${counted}; }; }`);
    const arrived = (): number => Number(/packets (\d+)/.exec(nft('list table inet theirs'))?.[1]);
    /** How many of two packets go on to the other pod. */
    const speak = (pid: number, from: string): number => {
      const before = arrived();
      const ping = ['busybox', 'ping', '-c2', '-i0.1', '-W1', '-I', from, '10.244.0.3'];
      spawnSync('nsenter', ['-t', String(pid), '-n', ...ping]);
      return arrived() - before;
    };
    const pid = lab.agents.get('x/one')?.pid ?? 0;
    for (const address of ['10.244.0.2/32', `${NOBODY}/32`])
      ip([`addr add ${address} dev eth0`], outside.pid);
    ip(['addr add 192.0.2.9/32 dev eth0'], pid);

    t.equal(speak(outside.pid, '10.244.0.2'), 2, 'without rules');
    t.equal(speak(pid, '192.0.2.9'), 2);
    applyState(nodeOf({ pods }));
    t.equal(speak(pid, '10.244.0.2'), 2, 'the pod itself');
    t.equal(speak(pid, '192.0.2.9'), 0, 'the pod with another address');
    t.equal(speak(outside.pid, '10.244.0.2'), 0, 'another one with its address');
    t.equal(speak(outside.pid, NOBODY), 2, 'another one with an address that no pod has');
  },
);
