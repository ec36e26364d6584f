import t from 'tap';
import { type CgroupFacts, NO_CGROUPS, planCgroup, weightOf } from '../../../src/oci/cgroup-plan.ts';
import type { OciResources } from '../../../src/oci/config.ts';

const ROOT = '/sys/fs/cgroup';
const MACHINES: Readonly<Record<string, CgroupFacts>> = {
  unified: {
    mode: 'unified',
    root: ROOT,
    isV2: true,
    v2Controllers: ['cpu', 'memory', 'pids', 'hugetlb'],
    v1: {},
  },
  hybrid: {
    mode: 'hybrid',
    root: `${ROOT}/unified`,
    isV2: true,
    v2Controllers: ['hugetlb'],
    v1: { cpu: `${ROOT}/cpu`, memory: `${ROOT}/memory` },
  },
  legacy: {
    mode: 'legacy',
    root: `${ROOT}/pids`,
    isV2: false,
    v2Controllers: [],
    v1: { cpu: `${ROOT}/cpu`, memory: `${ROOT}/memory`, pids: `${ROOT}/pids` },
  },
};
const ALL: OciResources = {
  cpu: { shares: 1024, quota: 50_000, period: 100_000 },
  memory: { limit: 4096, swap: 4096 },
  pids: { limit: 10 },
  hugepageLimits: [{ pageSize: '2MB', limit: 0 }],
  unified: { 'memory.oom.group': '1' },
};
/** What is written where, below the hierarchies' root. */
const files = (machine: string, resources: OciResources) =>
  Object.fromEntries(
    planCgroup(MACHINES[machine] ?? NO_CGROUPS, '/p', resources).files.map(({ path, value }) => [
      path.slice(ROOT.length + 1),
      value,
    ]),
  );

t.test('the files of each kind of machine', t => {
  t.same(files('unified', ALL), {
    'p/cpu.weight': '100',
    'p/cpu.max': '50000 100000',
    'p/memory.max': '4096',
    'p/memory.swap.max': '0',
    'p/memory.oom.group': '1',
    'p/pids.max': '10',
    'p/hugetlb.2MB.max': '0',
    'p/hugetlb.2MB.rsvd.max': '0',
  });
  t.same(files('hybrid', ALL), {
    'unified/p/hugetlb.2MB.max': '0',
    'unified/p/hugetlb.2MB.rsvd.max': '0',
    'cpu/p/cpu.shares': '1024',
    'cpu/p/cpu.cfs_period_us': '100000',
    'cpu/p/cpu.cfs_quota_us': '50000',
    'memory/p/memory.limit_in_bytes': '4096',
    'memory/p/memory.memsw.limit_in_bytes': '4096',
  });
  t.same(files('legacy', ALL), {
    'cpu/p/cpu.shares': '1024',
    'cpu/p/cpu.cfs_period_us': '100000',
    'cpu/p/cpu.cfs_quota_us': '50000',
    'memory/p/memory.limit_in_bytes': '4096',
    'memory/p/memory.memsw.limit_in_bytes': '4096',
    'pids/p/pids.max': '10',
  });
  t.same(files('none', ALL), {});
  t.end();
});

t.test('where a process goes, and how', t => {
  const plan = (machine: string, outer: OciResources = {}) => {
    const { path, others, joins, v2Controllers } = planCgroup(
      MACHINES[machine] ?? NO_CGROUPS,
      '/p',
      { cpu: { shares: 2 } },
      outer,
    );
    return { path, others, joins, v2Controllers };
  };
  t.same(plan('unified'), { path: `${ROOT}/p`, others: [], joins: [], v2Controllers: ['cpu'] });
  t.same(plan('hybrid'), {
    path: `${ROOT}/unified/p`,
    others: [`${ROOT}/cpu/p`],
    joins: [`${ROOT}/cpu/p/tasks`],
    v2Controllers: [],
  });
  t.same(plan('legacy').joins, [`${ROOT}/pids/p/tasks`, `${ROOT}/cpu/p/tasks`]);
  // A limit of the pod's holds only what is below it in the same hierarchy.
  const outer = { memory: { limit: 1, swap: 1 }, pids: { limit: 1 } };
  t.same(plan('legacy', outer).joins, [
    `${ROOT}/pids/p/tasks`,
    `${ROOT}/cpu/p/tasks`,
    `${ROOT}/memory/p/tasks`,
  ]);
  t.same(plan('none'), { path: undefined, others: [], joins: [], v2Controllers: [] });
  t.end();
});

t.test('a controller that is not there is named, unless nothing was asked of it', t => {
  const missing = (machine: string, resources: OciResources): readonly string[] =>
    planCgroup(MACHINES[machine] ?? NO_CGROUPS, '/p', resources).missing.map(({ controller }) => controller);
  t.same(missing('unified', ALL), []);
  t.same(missing('hybrid', ALL), ['pids']);
  t.same(missing('legacy', ALL), ['hugetlb']);
  t.same(missing('none', ALL), ['cpu', 'memory', 'pids', 'hugetlb']);
  t.same(missing('none', { cpu: { shares: 2 } }), []);
  t.same(missing('none', { cpu: { shares: 3 } }), ['cpu']);
  t.end();
});

t.test('shares as a weight: monotonous, and equal at both ends and in the middle', t => {
  t.same([0, 2, 1024, 262_144, 300_000].map(weightOf), [1, 1, 100, 10_000, 10_000]);
  let last = 0;
  for (let shares = 2; shares < 262_144; shares += 37) {
    const weight = weightOf(shares);
    if (weight < last || weight > 10_000) t.fail(`${shares}: ${weight} after ${last}`);
    last = weight;
  }
  t.end();
});
