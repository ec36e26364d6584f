import t from 'tap';
import { CHECKS } from '../../../../src/admission/pod-security/checks.ts';
import type { LevelVersion, Version } from '../../../../src/admission/pod-security/levels.ts';
import type { ContainerFacts } from '../../../../src/admission/verify/facts.ts';
import { verifyLevel } from '../../../../src/admission/verify/level.ts';
import { CAPABILITIES } from '../../../../src/linux/capabilities.ts';
import { podOf } from '../../kube/pods.ts';
import { factsOf } from './facts.ts';

/** As a pod of the restricted level is, to the last bit. */
const HARDENED = { uids: [1000], capabilities: [], noNewPrivileges: true, hasSeccompFilter: true };

/** For each check facts that break it, and in words what is found. */
const BROKEN: Readonly<Record<string, readonly (readonly [facts: ContainerFacts, found: string])[]>> = {
  allowPrivilegeEscalation: [[factsOf({}, HARDENED, { ...HARDENED, noNewPrivileges: false }), 'on, off']],
  capabilities_baseline: [
    [factsOf({}, { capabilities: ['CAP_SYS_ADMIN'] }), 'also SYS_ADMIN'],
    [factsOf({}, { capabilities: CAPABILITIES.slice(0, 10) }), 'also DAC_READ_SEARCH LINUX_IMMUTABLE'],
  ],
  capabilities_restricted: [[factsOf({}, { ...HARDENED, capabilities: ['CAP_CHOWN'] }), 'also CHOWN']],
  hostNamespaces: [
    [factsOf({ hostNamespaces: ['network'] }, HARDENED), 'the machine’s'],
    [factsOf({ hostNamespaces: ['pid'] }, HARDENED), 'the machine’s'],
    [factsOf({ hostNamespaces: ['ipc'] }, HARDENED), 'the machine’s'],
  ],
  hostPorts: [[factsOf({ hostPorts: [{ protocol: 'TCP', port: 80 }] }, HARDENED), 'TCP/80']],
  privileged: [[factsOf({ isSysWritable: true }, HARDENED), '/sys is writable']],
  procMount: [[factsOf({ isProcProtected: false }, HARDENED), 'writable']],
  procMount_restricted: [[factsOf({ isProcProtected: false }, HARDENED), 'writable']],
  runAsNonRoot: [[factsOf({}, { ...HARDENED, uids: [1000, 0] }), 'user 1000/0']],
  runAsUser: [[factsOf({}, { ...HARDENED, uids: [0] }), 'user 0']],
  seccompProfile_restricted: [[factsOf({}, { ...HARDENED, hasSeccompFilter: false }), 'none']],
};

const WORDS_ONLY = [
  'appArmorProfile',
  'hostPathVolumes',
  'hostProbesAndHostLifecycle',
  'restrictedVolumes',
  'seLinuxOptions',
  'seccompProfile_baseline',
  'sysctls',
  'windowsHostProcess',
];

const of = (level: LevelVersion['level'], version: Version = 'latest'): LevelVersion => ({ level, version });
/** `procMount` was of the restricted level before its own version of it. */
const levelOf = (id: string): LevelVersion =>
  id === 'procMount' || id === 'capabilities_baseline' ? of('baseline') : of('restricted');

t.test('a hardened container is what the restricted level promises', t => {
  const rows = verifyLevel(of('restricted'), podOf(), factsOf({}, HARDENED));
  t.strictSame(
    rows.filter(({ agrees }) => !agrees),
    [],
  );
  t.equal(rows.length, 11);
  const bound = { ...HARDENED, capabilities: ['CAP_NET_BIND_SERVICE'] } as const;
  t.ok(verifyLevel(of('restricted'), podOf(), factsOf({}, bound)).every(({ agrees }) => agrees));
  t.end();
});

t.test('an ordinary container is what the baseline promises', t => {
  t.ok(verifyLevel(of('baseline'), podOf(), factsOf()).every(({ agrees }) => agrees));
  t.strictSame(verifyLevel(of('privileged'), podOf(), factsOf({ isSysWritable: true })), []);
  t.end();
});

for (const [id, broken] of Object.entries(BROKEN))
  t.test(`${id}, broken`, t => {
    for (const [facts, found] of broken) {
      const rows = verifyLevel(levelOf(id), podOf(), facts).filter(
        ({ rule }) => rule === `PodSecurity/${id}`,
      );
      t.match(
        rows.filter(({ agrees }) => !agrees),
        [{ container: 'c', found: new RegExp(`^${found}`) }],
      );
    }
    t.end();
  });

t.test('every check is asked about, or is about words alone', t => {
  t.strictSame([...Object.keys(BROKEN), ...WORDS_ONLY].sort(), CHECKS.map(({ id }) => id).sort());
  for (const { id, level } of CHECKS) {
    const rows = [0, 18, 22, 34, 'latest' as const].flatMap(version =>
      verifyLevel(of(level, version), podOf(), factsOf()),
    );
    t.equal(
      rows.some(({ rule }) => rule === `PodSecurity/${id}`),
      !WORDS_ONLY.includes(id),
      id,
    );
  }
  t.end();
});

t.test('a level is asked about as it was in its version', t => {
  const rules = (level: LevelVersion) => [
    ...new Set(verifyLevel(level, podOf(), factsOf()).map(({ rule }) => rule.replace('PodSecurity/', ''))),
  ];
  t.strictSame(rules(of('restricted', 7)), [
    'capabilities_baseline',
    'hostNamespaces',
    'hostPorts',
    'privileged',
    'procMount',
    'runAsNonRoot',
  ]);
  t.ok(rules(of('restricted', 22)).includes('capabilities_restricted'));
  t.notOk(rules(of('restricted', 22)).includes('capabilities_baseline'));
  t.end();
});

t.test('from 1.35 on root may be root in a user namespace of the pod’s own', t => {
  const inside = podOf({ hostUsers: false });
  const root = factsOf({}, { ...HARDENED, uids: [0] });
  const disagreeing = (version: Version, pod = inside) =>
    verifyLevel(of('restricted', version), pod, root).flatMap(({ rule, agrees }) => (agrees ? [] : rule));
  t.strictSame(disagreeing('latest'), []);
  t.strictSame(disagreeing(35), []);
  t.strictSame(disagreeing(34), ['PodSecurity/runAsNonRoot', 'PodSecurity/runAsUser']);
  t.strictSame(disagreeing('latest', podOf()), ['PodSecurity/runAsNonRoot', 'PodSecurity/runAsUser']);
  const unmasked = verifyLevel(of('restricted'), inside, factsOf({ isProcProtected: false }, HARDENED));
  t.match(
    unmasked.filter(({ agrees }) => !agrees),
    [{ rule: 'PodSecurity/procMount_restricted' }],
  );
  t.end();
});
