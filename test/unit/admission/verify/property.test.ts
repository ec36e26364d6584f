import fc from 'fast-check';
import t from 'tap';
import { type AcceptedPod, acceptPod } from '../../../../src/admission/accept.ts';
import {
  type AdmissionRequest,
  admitByNamespace,
  admitByPolicy,
} from '../../../../src/admission/admission.ts';
import { ForbiddenPodError } from '../../../../src/admission/forbidden.ts';
import { LEVELS } from '../../../../src/admission/pod-security/levels.ts';
import type { DefaultedPolicy } from '../../../../src/admission/pod-security-policy/policy.ts';
import { validatePolicy } from '../../../../src/admission/pod-security-policy/policy.ts';
import type { Verified } from '../../../../src/admission/verify/facts.ts';
import { verifyLevel } from '../../../../src/admission/verify/level.ts';
import { verifyPolicy } from '../../../../src/admission/verify/policy.ts';
import { InvalidObjectError } from '../../../../src/kube/invalid-object.ts';
import type {
  Container,
  PodSecurityPolicySpec,
  PodSpec,
  SecurityContext,
} from '../../../../src/kube/types.generated.ts';
import { DEFAULT_ROOTS } from '../../../../src/oci/pod-paths.ts';
import { NO_UID, stageAll } from '../../../../src/runtime/stages.ts';
import { machineOf } from '../../../cases/machine.ts';
import { podOf } from '../../kube/pods.ts';
import { policyOf } from '../pod-security-policy/policies.ts';
import { requestOf } from '../requests.ts';
import { factsOfConfig } from './facts.ts';

const MACHINE = machineOf('x64');
const SECCOMP = ['allowedProfileNames', 'defaultProfileName'].map(
  name => `seccomp.security.alpha.kubernetes.io/${name}`,
);

/** At most `max` of the fields: who says everything is never let in. */
const some = <Fields extends object>(
  max: number,
  fields: { readonly [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> },
): fc.Arbitrary<Partial<Fields>> =>
  fc
    .tuple(
      fc.subarray(Object.keys(fields), { maxLength: Math.min(max, Object.keys(fields).length) }),
      fc.record(fields),
    )
    .map(
      ([chosen, all]) =>
        Object.fromEntries(Object.entries(all).filter(([name]) => chosen.includes(name))) as Partial<Fields>,
    );

const id = fc.constantFrom(0, 405, 1000, 1001, 3000);
const ranges = fc.constantFrom(
  [{ min: 1000, max: 2000 }],
  [
    { min: 0, max: 500 },
    { min: 3000, max: 3000 },
  ],
);
const strategy = fc.oneof(
  fc.constant({ rule: 'RunAsAny' }),
  fc.record({ rule: fc.constantFrom('MustRunAs', 'MayRunAs'), ranges }),
);
const names = fc.uniqueArray(
  fc.constantFrom('ALL', 'NET_RAW', 'CHOWN', 'SYS_TIME', 'net_admin', 'CAP_KILL', 'FLY'),
  { maxLength: 3 },
);
const profile = fc.constantFrom({ type: 'RuntimeDefault' }, { type: 'Unconfined' });

const policySpec: fc.Arbitrary<Partial<PodSecurityPolicySpec>> = some(5, {
  allowPrivilegeEscalation: fc.boolean(),
  allowedCapabilities: fc.oneof(names, fc.constant(['*'])),
  allowedProcMountTypes: fc.constantFrom([], ['Default'], ['Default', 'Unmasked']),
  defaultAddCapabilities: names,
  fsGroup: strategy,
  hostIPC: fc.boolean(),
  hostNetwork: fc.boolean(),
  hostPID: fc.boolean(),
  hostPorts: fc.constantFrom([], [{ min: 1, max: 100 }], [{ min: 0, max: 65535 }]),
  privileged: fc.boolean(),
  readOnlyRootFilesystem: fc.boolean(),
  requiredDropCapabilities: names,
  runAsGroup: strategy,
  runAsUser: fc.oneof(
    fc.constantFrom({ rule: 'RunAsAny' }, { rule: 'MustRunAsNonRoot' }),
    fc.record({ rule: fc.constant('MustRunAs'), ranges }),
  ),
  supplementalGroups: strategy,
});
const policies = fc.uniqueArray(
  fc
    .tuple(
      fc.constantFrom('a', 'b', 'c'),
      policySpec,
      fc.constantFrom<Readonly<Record<string, string>>>(
        {},
        { [SECCOMP[0] ?? '']: '*' },
        { [SECCOMP[0] ?? '']: 'runtime/default', [SECCOMP[1] ?? '']: 'runtime/default' },
        { [SECCOMP[0] ?? '']: 'unconfined,runtime/default', [SECCOMP[1] ?? '']: 'unconfined' },
      ),
    )
    .map(([name, spec, annotations]): DefaultedPolicy => policyOf(spec, { name, annotations }))
    .filter(policy => validatePolicy(policy).length === 0),
  { selector: ({ metadata }) => metadata.name, maxLength: 3 },
);

const context: fc.Arbitrary<SecurityContext> = some(2, {
  allowPrivilegeEscalation: fc.boolean(),
  capabilities: some(1, { add: names, drop: names }),
  // Rarely: hardly anything is left to be asked then.
  privileged: fc.constantFrom(false, false, false, false, true),
  procMount: fc.constant('Default'),
  readOnlyRootFilesystem: fc.boolean(),
  runAsGroup: id,
  runAsNonRoot: fc.boolean(),
  runAsUser: id,
  seccompProfile: profile,
});
const container = (name: string): fc.Arbitrary<Container> =>
  fc
    .tuple(
      fc.constantFrom('localhost/busybox', 'localhost/app'),
      fc.constantFrom([], [{ containerPort: 80 }], [{ containerPort: 8080 }]),
      context,
    )
    .map(([image, ports, securityContext]) => ({ name, image, ports, securityContext }));
const podSpec: fc.Arbitrary<PodSpec> = fc
  .tuple(
    container('x'),
    fc.option(container('y'), { nil: undefined }),
    some(2, {
      hostIPC: fc.constantFrom(true, false, false),
      hostNetwork: fc.constantFrom(true, false, false),
      hostPID: fc.constantFrom(true, false, false),
      hostUsers: fc.constantFrom(true, false),
      securityContext: some(2, {
        fsGroup: id,
        runAsGroup: id,
        runAsNonRoot: fc.boolean(),
        runAsUser: id,
        seccompProfile: profile,
        supplementalGroups: fc.uniqueArray(id, { maxLength: 2 }),
      }),
    }),
  )
  .map(([first, second, rest]) => ({
    ...rest,
    containers: second === undefined ? [first] : [first, second],
  }));
/** What the restricted level wants, in places. */
const hardened: fc.Arbitrary<PodSpec> = fc
  .tuple(fc.constantFrom(undefined, 1000, 405), fc.constantFrom([], ['NET_BIND_SERVICE']))
  .map(([runAsUser, add]) => ({
    securityContext: {
      runAsNonRoot: true,
      runAsUser: runAsUser ?? 1,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name: 'x',
        image: 'localhost/busybox',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'], add } },
      },
    ],
  }));
const anyPod = fc.oneof({ weight: 5, arbitrary: podSpec }, { weight: 1, arbitrary: hardened });

const level = fc.record({
  level: fc.constantFrom(...LEVELS),
  version: fc.constantFrom<'latest' | number>('latest', 18, 22, 34),
});

function accept(spec: PodSpec, request: AdmissionRequest): AcceptedPod | undefined {
  const source = { file: 'pod.yaml', locate: () => ({ line: 1, column: 1 }) };
  const admission = {
    admitByPolicy: (pod: Parameters<typeof admitByPolicy>[0]) => admitByPolicy(pod, request),
    admitByNamespace: (pod: Parameters<typeof admitByNamespace>[0]) => admitByNamespace(pod, request),
  };
  try {
    return acceptPod({ pod: podOf(spec), source }, NO_UID, { admission });
  } catch (error) {
    if (error instanceof ForbiddenPodError || error instanceof InvalidObjectError) return undefined;
    throw error;
  }
}

/** What verify would say of each container as it would be made: those that the kubelet refuses are not made. */
function promises({
  pod,
  decision,
}: AcceptedPod): readonly (readonly [container: Container, row: Verified])[] {
  return stageAll([pod], { configMaps: [], secrets: [] }, DEFAULT_ROOTS, MACHINE).flatMap(
    ({ container, stages }) => {
      if ('error' in stages || decision === undefined) return [];
      const ports = container.ports?.map(({ hostPort = 0 }) => hostPort) ?? [];
      const facts = factsOfConfig(container.name, stages.oci, ports);
      const rows = [
        ...(decision.policy === undefined ? [] : verifyPolicy(decision.policy.policy, pod, facts)),
        ...verifyLevel(decision.enforced, pod, facts),
      ];
      return rows.map(row => [container, row] as const);
    },
  );
}

/** What a privileged container has in spite of its policy: the runtime gives it every capability, and no filter. */
const isDefeated = ({ securityContext }: Container, { rule }: Verified): boolean =>
  securityContext?.privileged === true &&
  /^PodSecurityPolicy\/\w+ (requiredDropCapabilities|seccomp)$/.test(rule);

t.test('an admitted pod is made as its policy and its level promise: verify would agree', t => {
  const asked = new Map<string, number>();
  let [admitted, defeated] = [0, 0];
  fc.assert(
    fc.property(anyPod, policies, level, (spec, policies, level) => {
      const accepted = accept(spec, requestOf({ policies, level }));
      if (accepted === undefined) return;
      admitted++;
      for (const [container, row] of promises(accepted)) {
        const rule = row.rule.replace(/^PodSecurityPolicy\/\w+/, 'PodSecurityPolicy');
        asked.set(rule, (asked.get(rule) ?? 0) + 1);
        if (row.agrees) continue;
        if (!isDefeated(container, row)) throw new Error(JSON.stringify(row));
        defeated++;
      }
    }),
    { numRuns: 800 },
  );
  t.ok(admitted > 100, `${admitted} pods were let in`);
  t.ok(defeated < admitted / 10, `${defeated} times a privileged container had what it was to drop`);
  t.ok(asked.size > 22, `${[...asked].map(([rule, count]) => `${rule}: ${count}`).join(', ')}`);
  t.end();
});

t.test('the questions notice: the same pods without what admission has set', t => {
  let noticed = 0;
  fc.assert(
    fc.property(podSpec, policies, (spec, policies) => {
      const accepted = accept(spec, requestOf({ policies }));
      const plain = accept(spec, requestOf());
      if (accepted === undefined || plain === undefined || accepted.decision?.policy?.changes.length === 0)
        return;
      for (const [, { agrees }] of promises({ ...plain, decision: accepted.decision }))
        if (!agrees) noticed++;
    }),
    { numRuns: 300 },
  );
  t.ok(noticed > 20, `${noticed} rules were not kept`);
  t.end();
});
