import t from 'tap';
import type { Container, PodSpec } from '../../../src/kube/types.generated.ts';
import { CAPABILITIES, DEFAULT_CAPABILITIES } from '../../../src/linux/capabilities.ts';
import { determineCapabilities } from '../../../src/security/capabilities.ts';
import {
  determineEffectiveSecurityContext,
  type EffectiveSecurityContext,
  type SecuritySettings,
} from '../../../src/security/effective.ts';
import { explainSurprises } from '../../../src/security/explain.ts';
import type { IdentityError } from '../../../src/security/identity.ts';
import { podWith } from '../kube/pods.ts';

const PASSWD = [
  { name: 'root', uid: 0, gid: 0, home: '/root' },
  { name: 'guest', uid: 405, gid: 100, home: '/home/guest' },
];
const GROUP = [
  { name: 'guest', gid: 7, members: ['guest'] },
  { name: 'games', gid: 20, members: ['root', 'guest'] },
];

function effective(
  container: Partial<Container>,
  spec: Partial<PodSpec> = {},
  user = '',
  settings: SecuritySettings = {},
): EffectiveSecurityContext | IdentityError {
  const pod = podWith(container, spec);
  const [first = { name: 'c' }] = pod.spec?.containers ?? [];
  const image = { user, passwd: PASSWD, group: GROUP };
  const host = { capabilities: CAPABILITIES, thermalThrottleCpus: [] };
  return determineEffectiveSecurityContext(pod, first, image, host, settings);
}

/** The fields of interest of a context that must be there. */
function ids(...args: Parameters<typeof effective>): readonly unknown[] {
  const context = effective(...args);
  if ('error' in context) return [context.reason, context.error];
  const { uid, gid, additionalGids, home } = context.identity;
  return [uid, gid, additionalGids.join(' '), home];
}

const IDENTITIES: readonly (readonly [
  title: string,
  container: Container['securityContext'],
  pod: PodSpec['securityContext'],
  user: string,
  expected: readonly unknown[],
])[] = [
  ['nothing said: root', {}, {}, '', [0, 0, '0 20', '/root']],
  ['USER by name', {}, {}, 'guest', [405, 100, '20 100', '/home/guest']],
  ['USER by number, with a group that does not count', {}, {}, '405:0', [405, 100, '20 100', '/home/guest']],
  ['the pod over the image', {}, { runAsUser: 5 }, 'guest', [5, 0, '0', '/']],
  [
    'the container over the pod, field by field',
    { runAsUser: 6 },
    { runAsUser: 5, runAsGroup: 9 },
    '',
    [6, 9, '9', '/'],
  ],
  [
    'supplementalGroups and fsGroup',
    {},
    { runAsUser: 5, supplementalGroups: [30, 8], fsGroup: 8 },
    '',
    [5, 0, '0 8 30', '/'],
  ],
  [
    'Strict leaves the image’s groups out',
    {},
    { runAsUser: 405, supplementalGroupsPolicy: 'Strict' },
    '',
    [405, 100, '100', '/home/guest'],
  ],
];

t.test('who a container runs as', t => {
  for (const [title, securityContext, pod, user, expected] of IDENTITIES)
    t.strictSame(ids({ securityContext }, { securityContext: pod }, user), expected, title);
  t.end();
});

const REFUSED: readonly (readonly [container: Container['securityContext'], user: string, text: RegExp])[] = [
  [{ runAsNonRoot: true }, '', /^container has runAsNonRoot and image will run as root \(pod: /],
  [{ runAsNonRoot: true }, '0:5', /image will run as root/],
  [{ runAsNonRoot: true }, 'guest', /image has non-numeric user \(guest\), cannot verify user is non-root/],
  [{ runAsNonRoot: true, runAsUser: 0 }, '', /^container's runAsUser breaks non-root policy/],
  [{}, 'nobody', /^unable to find user nobody: no matching entries in passwd file$/],
  [{}, '4294967296', /must be in range 0-2147483647$/],
];

t.test('who it may not run as', t => {
  for (const [securityContext, user, text] of REFUSED) {
    const context = effective({ securityContext }, {}, user);
    t.match('error' in context ? context.error : 'accepted', text);
  }
  t.strictSame(
    ids({ securityContext: { runAsNonRoot: false } }, { securityContext: { runAsNonRoot: true } }),
    [0, 0, '0 20', '/root'],
    'the container’s own word counts',
  );
  t.end();
});

const without = (...names: string[]): readonly string[] =>
  DEFAULT_CAPABILITIES.filter(name => !names.includes(name.slice(4)));
const CAPABILITY_SETS: readonly (readonly [add: string[], drop: string[], expected: readonly string[]])[] = [
  [[], [], DEFAULT_CAPABILITIES],
  [[], ['ALL'], []],
  [['CHOWN'], ['ALL'], ['CAP_CHOWN']],
  [['chown'], ['all'], ['CAP_CHOWN']],
  [['ALL'], [], CAPABILITIES],
  [['ALL'], ['SYS_ADMIN'], CAPABILITIES.filter(name => name !== 'CAP_SYS_ADMIN')],
  [['CHOWN'], ['CHOWN'], without('CHOWN')],
  [['ALL'], ['ALL'], []],
];

t.test('capabilities: ALL first, then names; drop wins', t => {
  for (const [add, drop, expected] of CAPABILITY_SETS) {
    const { capabilities, warnings } = determineCapabilities({ add, drop }, CAPABILITIES);
    t.strictSame([...capabilities].sort(), [...expected].sort(), `add ${add} drop ${drop}`);
    t.strictSame(warnings, []);
  }
  const odd = determineCapabilities({ add: ['CAP_CHOWN', 'FLY'], drop: [] }, CAPABILITIES);
  t.match(odd.warnings, [
    /"CAP_CHOWN" has no effect: .*without the prefix/,
    /"FLY" has no effect: no such capability/,
  ]);
  const lacking = determineCapabilities({ add: ['SYS_BOOT'], drop: [] }, DEFAULT_CAPABILITIES);
  t.match(lacking.warnings, [/"SYS_BOOT" is not in this machine's bounding set/]);
  t.notOk(lacking.capabilities.includes('CAP_SYS_BOOT'), 'what the machine has not is not promised');
  t.end();
});

t.test('privileged: everything but what the machine itself lacks', t => {
  const context = effective({
    securityContext: { privileged: true, procMount: 'Default', capabilities: { drop: ['ALL'] } },
  });
  if ('error' in context) throw new Error(context.error);
  t.strictSame(context.capabilities, CAPABILITIES);
  t.strictSame([context.maskedPaths, context.readonlyPaths, context.namespaces.cgroup], [[], [], 'host']);
  t.match(context.warnings, [/capabilities.drop are ignored/]);
  t.end();
});

type Profile = NonNullable<PodSpec['securityContext']>['seccompProfile'];
const DEFAULT: Profile = { type: 'RuntimeDefault' };
const NONE: Profile = { type: 'Unconfined' };
const FILE: Profile = { type: 'Localhost', localhostProfile: 'a.json' };

const SECCOMP: readonly (readonly [
  container: Profile,
  pod: Profile,
  setting: boolean,
  expected: Profile,
  origin: string,
])[] = [
  [undefined, undefined, false, NONE, 'default'],
  [undefined, undefined, true, DEFAULT, 'setting'],
  [undefined, DEFAULT, false, DEFAULT, 'pod'],
  [undefined, NONE, true, NONE, 'pod'],
  [NONE, DEFAULT, true, NONE, 'container'],
  [FILE, DEFAULT, false, FILE, 'container'],
  // The whole object is the container's: nothing of the pod's is mixed in.
  [DEFAULT, FILE, false, DEFAULT, 'container'],
];

t.test('a seccomp profile: the container’s, else the pod’s, else the setting’s', t => {
  for (const [own, pods, seccompDefault, expected, origin] of SECCOMP) {
    const of = (securityContext: Container['securityContext']): EffectiveSecurityContext => {
      const context = effective(
        { securityContext: { ...securityContext, ...(own === undefined ? {} : { seccompProfile: own }) } },
        { securityContext: pods === undefined ? {} : { seccompProfile: pods } },
        '',
        { seccompDefault },
      );
      if ('error' in context) throw new Error(context.error);
      return context;
    };
    const title = JSON.stringify([own, pods, seccompDefault]);
    const { seccompProfile, origins, warnings } = of({});
    t.strictSame([seccompProfile, origins.seccompProfile, warnings], [expected, origin, []], title);
    const privileged = of({ privileged: true });
    t.strictSame(privileged.seccompProfile, NONE, `privileged: ${title}`);
    const isAsked = (own ?? pods ?? NONE).type !== 'Unconfined';
    t.equal(privileged.warnings.length, isAsked ? 1 : 0, title);
    if (isAsked) t.match(privileged.warnings[0], /^privileged has no seccomp filter: seccompProfile \(/);
  }
  t.end();
});

t.test('namespaces by the pod’s switches', t => {
  const owners = (spec: Partial<PodSpec>): string => {
    const context = effective({}, spec);
    if ('error' in context) throw new Error(context.error);
    const { uts, ipc, network, pid } = context.namespaces;
    return [uts, ipc, network, pid].join(' ');
  };
  t.equal(owners({}), 'pod pod pod container');
  t.equal(owners({ hostNetwork: true }), 'host pod host container');
  t.equal(owners({ hostIPC: true }), 'pod host pod container');
  t.equal(owners({ hostPID: true }), 'pod pod pod host');
  t.equal(owners({ shareProcessNamespace: true }), 'pod pod pod pod');
  t.end();
});

t.test('surprises are told, and only where there is one', t => {
  const volumes = [{ name: 'v', hostPath: { path: '/srv' } }];
  const mount = { volumeMounts: [{ name: 'v', mountPath: '/srv' }] };
  const surprises = (container: Partial<Container>, spec: Partial<PodSpec>): readonly string[] => {
    const pod = podWith(container, spec);
    return explainSurprises(pod, pod.spec?.containers[0] ?? { name: 'c' });
  };
  t.strictSame(surprises({}, {}), []);
  t.match(surprises({}, { hostNetwork: true }), [/UTS namespace/]);
  t.match(surprises({ ...mount, securityContext: { readOnlyRootFilesystem: true } }, { volumes }), [
    /\/srv can be written to/,
  ]);
  t.match(surprises(mount, { volumes, securityContext: { fsGroup: 5 } }), [/hostPath/]);
  t.end();
});
