import t from 'tap';
import {
  formatPolicyError,
  formatPolicyErrors,
} from '../../../../src/admission/pod-security-policy/policy-error.ts';
import type { Pod, PodSecurityPolicySpec } from '../../../../src/kube/types.generated.ts';
import { container, pod, podWithContext, policyOf, providerOf, withContext } from './policies.ts';

const CONTEXT = 'spec.containers[0].securityContext';
const RANGES = [{ min: 1, max: 5 }];

const UNTOUCHED: readonly (readonly [
  spec: Partial<PodSecurityPolicySpec>,
  pod: Pod,
  texts: readonly string[],
])[] = [
  [{ runAsUser: { rule: 'MustRunAs', ranges: RANGES } }, pod(), [`${CONTEXT}.runAsUser: Required value`]],
  [
    { runAsUser: { rule: 'MustRunAsNonRoot' } },
    pod(),
    [`${CONTEXT}.runAsNonRoot: Required value: must be true`],
  ],
  [
    {
      runAsGroup: { rule: 'MustRunAs', ranges: RANGES },
      fsGroup: { rule: 'MustRunAs', ranges: RANGES },
      supplementalGroups: { rule: 'MustRunAs', ranges: RANGES },
    },
    pod(),
    ['spec.securityContext.fsGroup', 'spec.securityContext.supplementalGroups', CONTEXT].map(
      path => `${path}: Invalid value: []int64(nil): unable to validate empty groups against required ranges`,
    ),
  ],
  [
    { seLinux: { rule: 'MustRunAs', seLinuxOptions: { level: 's0' } } },
    pod(),
    ['spec.securityContext.seLinuxOptions: Required value', `${CONTEXT}.seLinuxOptions: Required value`],
  ],
  [
    { requiredDropCapabilities: ['ALL'] },
    pod(),
    [
      `${CONTEXT}.capabilities: Invalid value: "null": required capabilities are not set on the securityContext`,
    ],
  ],
  [
    { requiredDropCapabilities: ['ALL', 'KILL'] },
    withContext({ capabilities: { add: ['KILL'], drop: ['ALL'] } }),
    [
      `${CONTEXT}.capabilities.add: Invalid value: "KILL": capability may not be added`,
      `${CONTEXT}.capabilities.drop: Invalid value: []core.Capability{"ALL"}: KILL is required to be dropped but was not found`,
    ],
  ],
  [
    { requiredDropCapabilities: ['KILL'] },
    withContext({ capabilities: {} }),
    [
      `${CONTEXT}.capabilities.drop: Invalid value: []core.Capability(nil): KILL is required to be dropped but was not found`,
    ],
  ],
  // A policy that only adds by default also wants to see that it did.
  [
    { defaultAddCapabilities: ['KILL'] },
    pod(),
    [
      `${CONTEXT}.capabilities: Invalid value: "null": required capabilities are not set on the securityContext`,
    ],
  ],
  [
    { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    pod(),
    [
      `${CONTEXT}.readOnlyRootFilesystem: Invalid value: "null": ReadOnlyRootFilesystem may not be nil and must be set to true`,
      `${CONTEXT}.allowPrivilegeEscalation: Invalid value: "null": Allowing privilege escalation for containers is not allowed`,
    ],
  ],
];

t.test('a pod that was not mutated lacks what the policy would have set', t => {
  for (const [spec, pod, texts] of UNTOUCHED)
    t.strictSame(providerOf(policyOf(spec)).validate(pod).map(formatPolicyError), texts);
  t.end();
});

/** A policy that says something of everything, and a pod that is wrong in all of it. */
const STRICT = policyOf(
  {
    allowPrivilegeEscalation: false,
    allowedHostPaths: [{ pathPrefix: '/srv', readOnly: true }],
    fsGroup: { rule: 'MayRunAs', ranges: RANGES },
    hostPorts: [{ min: 1, max: 2 }],
    readOnlyRootFilesystem: true,
    requiredDropCapabilities: ['ALL'],
    runAsGroup: { rule: 'MustRunAs', ranges: RANGES },
    runAsUser: { rule: 'MustRunAs', ranges: RANGES },
    runtimeClass: { allowedRuntimeClassNames: ['kata'] },
    seLinux: { rule: 'MustRunAs', seLinuxOptions: { level: 's0' } },
    supplementalGroups: { rule: 'MustRunAs', ranges: RANGES },
    volumes: ['hostPath', 'flexVolume'],
    allowedFlexVolumes: [{ driver: 'lvm' }],
  },
  { annotations: { 'apparmor.security.beta.kubernetes.io/allowedProfileNames': 'runtime/default' } },
);
const WRONG = container(
  {
    ports: [{ containerPort: 1, hostPort: 1 }, { containerPort: 3 }],
    volumeMounts: [{ name: 'a', mountPath: '/a' }],
    securityContext: {
      allowPrivilegeEscalation: true,
      capabilities: { add: ['KILL'] },
      privileged: true,
      procMount: 'Unmasked',
      readOnlyRootFilesystem: false,
      runAsGroup: 6,
      seccompProfile: { type: 'Unconfined' },
    },
  },
  {
    hostNetwork: true,
    hostPID: true,
    hostIPC: true,
    runtimeClassName: 'runc',
    securityContext: {
      fsGroup: 6,
      runAsUser: 6,
      seLinuxOptions: { level: 's1' },
      seccompProfile: { type: 'RuntimeDefault' },
      supplementalGroups: [6],
      sysctls: [{ name: 'kernel.sem', value: '1' }],
    },
    volumes: [
      { name: 'a', hostPath: { path: '/srv/a' } },
      { name: 'b', hostPath: { path: '/etc' } },
      { name: 'c', flexVolume: { driver: 'nfs' } },
      { name: 'd', emptyDir: {} },
    ],
  },
);

t.test('the order of the messages, their paths, and where the fields stand in a manifest', t => {
  const errors = providerOf(STRICT).validate(WRONG);
  t.strictSame(
    errors.map(({ path, manifestPath }) => (path === manifestPath ? path : `${path} = ${manifestPath}`)),
    [
      'spec.securityContext.fsGroup',
      'spec.securityContext.supplementalGroups',
      'pod.metadata.annotations[seccomp.security.alpha.kubernetes.io/pod] = spec.securityContext.seccompProfile',
      'spec.securityContext.seLinuxOptions.level',
      'spec.securityContext.hostNetwork = spec.hostNetwork',
      'spec.securityContext.hostPID = spec.hostPID',
      'spec.securityContext.hostIPC = spec.hostIPC',
      'pod.spec.securityContext.sysctls[0] = spec.securityContext.sysctls[0]',
      'spec.containers[0].volumeMounts[0].readOnly',
      'spec.volumes[1].hostPath.pathPrefix = spec.volumes[1].hostPath.path',
      'spec.volumes[2].driver = spec.volumes[2].flexVolume.driver',
      'spec.volumes[3]',
      'spec.runtimeClassName',
      'spec.containers[0].securityContext.runAsUser = spec.securityContext.runAsUser',
      'spec.containers[0].securityContext = spec.containers[0].securityContext.runAsGroup',
      'spec.containers[0].securityContext.seLinuxOptions.level = spec.securityContext.seLinuxOptions.level',
      'pod.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c] = spec.containers[0].securityContext',
      'pod.metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c] = spec.containers[0].securityContext.seccompProfile',
      'spec.containers[0].securityContext.privileged',
      'spec.containers[0].securityContext.procMount',
      'spec.containers[0].securityContext.capabilities.add',
      'spec.containers[0].securityContext.capabilities.drop',
      'spec.containers[0].hostPort = spec.containers[0].ports[1].hostPort',
      'spec.containers[0].securityContext.readOnlyRootFilesystem',
      'spec.containers[0].securityContext.allowPrivilegeEscalation',
    ],
  );
  t.end();
});

t.test('a value is where it is written: the container’s own before the pod’s', t => {
  const provider = providerOf(policyOf({ runAsGroup: { rule: 'MustRunAs', ranges: RANGES } }));
  const placesOf = (
    ...contexts: readonly [own: number | undefined, ofPod: number | undefined]
  ): readonly string[] => {
    const [own, ofPod] = contexts.map(runAsGroup => (runAsGroup === undefined ? {} : { runAsGroup }));
    return provider
      .validate(withContext(own ?? {}, { securityContext: ofPod ?? {} }))
      .map(error => error.manifestPath);
  };
  t.strictSame(placesOf(6, 6), [`${CONTEXT}.runAsGroup`]);
  t.strictSame(placesOf(6, undefined), [`${CONTEXT}.runAsGroup`]);
  t.strictSame(placesOf(undefined, 6), ['spec.securityContext.runAsGroup']);
  t.strictSame(placesOf(undefined, undefined), [`${CONTEXT}.runAsGroup`], 'where it would be');
  t.end();
});

t.test('several errors print as a Go slice does', t => {
  const errors = providerOf(policyOf()).validate(
    podWithContext({
      sysctls: [
        { name: 'a', value: '' },
        { name: 'b', value: '' },
      ],
    }),
  );
  t.equal(
    formatPolicyErrors(errors),
    '[pod.spec.securityContext.sysctls[0]: Forbidden: unsafe sysctl "a" is not allowed pod.spec.securityContext.sysctls[1]: Forbidden: unsafe sysctl "b" is not allowed]',
  );
  t.equal(formatPolicyErrors([]), '[]');
  t.end();
});
