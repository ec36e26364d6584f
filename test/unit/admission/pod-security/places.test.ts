import t from 'tap';
import { CHECKS } from '../../../../src/admission/pod-security/checks.ts';
import { evaluatePod } from '../../../../src/admission/pod-security/evaluate.ts';
import type { Version } from '../../../../src/admission/pod-security/levels.ts';
import { placesOf } from '../../../../src/admission/pod-security/places.ts';
import type { Pod } from '../../../../src/kube/types.generated.ts';
import { hardened, podOf, podWith } from './hardened.ts';
import { BASELINE_ROWS } from './rows-baseline.ts';
import { HOST_ROWS } from './rows-host.ts';
import { PROFILE_ROWS } from './rows-profiles.ts';
import { RESTRICTED_ROWS } from './rows-restricted.ts';

const UNCONFINED = { type: 'Unconfined' };
const APP_ARMOR = 'container.apparmor.security.beta.kubernetes.io/';
const two = (first: Parameters<typeof hardened>[1], second: typeof first): Pod =>
  podOf({ initContainers: [hardened('i', first)], containers: [hardened('a'), hardened('b', second)] });

/** A pod that breaks one check, and the fields that its author should look at. */
const CASES: readonly (readonly [
  id: string,
  pod: Pod,
  places: readonly string[],
  version?: Version,
  level?: 'baseline' | 'restricted',
])[] = [
  [
    'allowPrivilegeEscalation',
    two({}, { allowPrivilegeEscalation: true }),
    ['spec.containers[1].securityContext.allowPrivilegeEscalation'],
  ],
  [
    'appArmorProfile',
    podWith({ appArmorProfile: UNCONFINED }),
    ['spec.containers[0].securityContext.appArmorProfile'],
  ],
  [
    'appArmorProfile',
    podOf({ securityContext: { appArmorProfile: UNCONFINED } }),
    ['spec.securityContext.appArmorProfile'],
  ],
  [
    'appArmorProfile',
    podOf({}, { [`${APP_ARMOR}a`]: 'unconfined', [`${APP_ARMOR}b`]: 'runtime/default' }),
    [`metadata.annotations[${APP_ARMOR}a]`],
  ],
  [
    'appArmorProfile',
    { ...podWith({ appArmorProfile: UNCONFINED }), metadata: { annotations: { [`${APP_ARMOR}x`]: 'x' } } },
    ['spec.containers[0].securityContext.appArmorProfile', `metadata.annotations[${APP_ARMOR}x]`],
  ],
  [
    'capabilities_baseline',
    podWith({ capabilities: { add: ['SYS_ADMIN'] } }),
    ['spec.containers[0].securityContext.capabilities'],
    'latest',
    'baseline',
  ],
  [
    'capabilities_restricted',
    two({ capabilities: {} }, { capabilities: { drop: ['ALL'], add: ['CHOWN'] } }),
    [
      'spec.initContainers[0].securityContext.capabilities',
      'spec.containers[1].securityContext.capabilities',
    ],
  ],
  ['hostNamespaces', podOf({ hostPID: true, hostIPC: true }), ['spec.hostPID', 'spec.hostIPC']],
  [
    'hostPathVolumes',
    // A volume may be called like the type of another one.
    podOf({ volumes: [{ name: 'v', hostPath: { path: '/' } }, { name: 'hostpath' }] }),
    ['spec.volumes[0]'],
    'latest',
    'baseline',
  ],
  [
    'hostPorts',
    podOf({ containers: [hardened('a', {}, { ports: [{ containerPort: 80, hostPort: 80 }] })] }),
    ['spec.containers[0].ports'],
  ],
  [
    'hostProbesAndHostLifecycle',
    podOf({
      containers: [
        hardened('localhost'),
        hardened('b', {}, { livenessProbe: { tcpSocket: { port: 1, host: 'localhost' } } }),
      ],
    }),
    ['spec.containers[1]'],
  ],
  ['privileged', podWith({ privileged: true }), ['spec.containers[0].securityContext.privileged']],
  [
    'procMount',
    podWith({ procMount: 'Unmasked' }),
    ['spec.containers[0].securityContext.procMount'],
    'latest',
    'baseline',
  ],
  ['procMount_restricted', podWith({ procMount: 'x' }), ['spec.containers[0].securityContext.procMount']],
  [
    'restrictedVolumes',
    podOf({ volumes: [{ name: 'v', nfs: { server: 's', path: '/' } }, { name: 'nfs' }] }),
    ['spec.volumes[0]'],
  ],
  [
    'runAsNonRoot',
    podOf({ securityContext: { runAsNonRoot: false } }),
    ['spec.securityContext.runAsNonRoot'],
  ],
  [
    'runAsNonRoot',
    { spec: { ...podOf().spec, containers: [hardened('a')], securityContext: {} } },
    ['spec.containers[0].securityContext.runAsNonRoot'],
    22,
  ],
  [
    'runAsUser',
    podWith({ runAsUser: 0 }, { securityContext: { runAsUser: 0 } }),
    ['spec.securityContext.runAsUser', 'spec.containers[0].securityContext.runAsUser'],
  ],
  [
    'seLinuxOptions',
    podWith({ seLinuxOptions: { type: 'a' } }, { securityContext: { seLinuxOptions: { user: 'u' } } }),
    ['spec.securityContext.seLinuxOptions', 'spec.containers[0].securityContext.seLinuxOptions'],
  ],
  [
    'seccompProfile_baseline',
    podWith({ seccompProfile: UNCONFINED }),
    ['spec.containers[0].securityContext.seccompProfile'],
    'latest',
    'baseline',
  ],
  [
    'seccompProfile_baseline',
    podOf({}, { 'seccomp.security.alpha.kubernetes.io/pod': 'unconfined' }),
    ['metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]'],
    18,
    'baseline',
  ],
  [
    'seccompProfile_restricted',
    two({}, { seccompProfile: UNCONFINED }),
    ['spec.containers[1].securityContext.seccompProfile'],
  ],
  [
    'sysctls',
    podOf({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
    ['spec.securityContext.sysctls'],
  ],
  [
    'windowsHostProcess',
    podWith({ windowsOptions: { hostProcess: true } }),
    ['spec.containers[0].securityContext.windowsOptions'],
  ],
];

for (const [id, pod, places, version = 'latest', level = 'restricted'] of CASES)
  t.test(`${id}: ${places.join(', ')}`, t => {
    const violation = evaluatePod({ level, version }, pod).find(each => each.id === id);
    t.ok(violation, 'the pod breaks it');
    if (violation !== undefined) t.strictSame(placesOf(violation, pod), places, violation.detail);
    t.end();
  });

t.test('every check has a case', t => {
  t.strictSame([...new Set(CASES.map(([id]) => id))].sort(), CHECKS.map(({ id }) => id).sort());
  t.end();
});

t.test('whatever breaks a check stands somewhere, and what does not break it is not pointed at', t => {
  let count = 0;
  for (const { id, since, rejected = [] } of [
    ...BASELINE_ROWS,
    ...HOST_ROWS,
    ...PROFILE_ROWS,
    ...RESTRICTED_ROWS,
  ])
    for (const [pod, detail] of rejected) {
      const { level } = CHECKS.find(check => check.id === id) ?? { level: 'restricted' };
      for (const violation of evaluatePod({ level, version: since[0] ?? 'latest' }, pod)) {
        const places = placesOf(violation, pod);
        count++;
        t.ok(
          places.length > 0 || /ephemeral/.test(JSON.stringify(pod)),
          `${violation.id}: ${violation.detail || detail}`,
        );
        t.equal(new Set(places).size, places.length, 'each once');
      }
    }
  t.ok(count > 50, `${count} violations`);
  t.end();
});
