import t from 'tap';
import { setPolicyDefaults, validatePolicy } from '../../../../src/admission/pod-security-policy/policy.ts';
import { formatPolicyError } from '../../../../src/admission/pod-security-policy/policy-error.ts';
import type { ObjectMeta, PodSecurityPolicySpec } from '../../../../src/kube/types.generated.ts';
import { load } from '../../kube/pods.ts';
import { freeze, policyOf } from './policies.ts';

const errorsOf = (spec: Partial<PodSecurityPolicySpec>, metadata: ObjectMeta = {}): readonly string[] =>
  validatePolicy(freeze(policyOf(spec, { name: 'p', annotations: {}, ...metadata }))).map(formatPolicyError);

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SYSCTL =
  'must have at most 253 characters and match regex ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]';
const GROUP_RULES = 'supported values: "MayRunAs", "MustRunAs", "RunAsAny"';
const ALL_VOLUMES =
  'supported values: "*", "awsElasticBlockStore", "azureDisk", "azureFile", "cephFS", "cinder", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "fc", "flexVolume", "flocker", "gcePersistentDisk", "gitRepo", "glusterfs", "hostPath", "iscsi", "nfs", "persistentVolumeClaim", "photonPersistentDisk", "portworxVolume", "projected", "quobyte", "rbd", "scaleIO", "secret", "storageos", "vsphereVolume"';

const SPECS: readonly (readonly [spec: Partial<PodSecurityPolicySpec>, texts: readonly string[]])[] = [
  [
    { runAsUser: { rule: 'x' } },
    [
      'spec.runAsUser.rule: Unsupported value: "x": supported values: "MustRunAs", "MustRunAsNonRoot", "RunAsAny"',
    ],
  ],
  [
    {
      runAsUser: {
        rule: 'RunAsAny',
        ranges: [
          { min: -1, max: -2 },
          { min: 1, max: 1 },
          { min: 2, max: 1 },
        ],
      },
    },
    [
      'spec.runAsUser.ranges[0].min: Invalid value: -1: min cannot be negative',
      'spec.runAsUser.ranges[0].max: Invalid value: -2: max cannot be negative',
      'spec.runAsUser.ranges[0].min: Invalid value: -1: min cannot be greater than max',
      'spec.runAsUser.ranges[2].min: Invalid value: 2: min cannot be greater than max',
    ],
  ],
  // Without ranges it is valid, and useless: no provider can be made of it.
  [{ runAsUser: { rule: 'MustRunAs' } }, []],
  [
    { runAsGroup: { rule: 'x', ranges: [{ min: 2, max: 1 }] } },
    ['spec.runAsGroup.rule: Unsupported value: "x": supported values: "MustRunAs", "RunAsAny", "MayRunAs"'],
  ],
  [
    { runAsGroup: { rule: 'RunAsAny', ranges: [{ max: 2, min: 1 }] } },
    [
      'spec.runAsGroup.ranges: Invalid value: []policy.IDRange{policy.IDRange{Min:1, Max:2}}: Ranges must be empty',
    ],
  ],
  [
    { runAsGroup: { rule: 'MustRunAs' } },
    ['spec.runAsGroup.ranges: Invalid value: []policy.IDRange(nil): must provide at least one range'],
  ],
  [
    { runAsGroup: { rule: 'MayRunAs', ranges: [] } },
    ['spec.runAsGroup.ranges: Invalid value: []policy.IDRange{}: must provide at least one range'],
  ],
  [
    { runAsGroup: { rule: 'MayRunAs', ranges: [{ min: 2, max: 1 }] } },
    ['spec.runAsGroup.ranges[0].min: Invalid value: 2: min cannot be greater than max'],
  ],
  [{ runAsGroup: { rule: 'RunAsAny', ranges: [] } }, []],
  [{ runAsGroup: { rule: 'MayRunAs', ranges: [{ min: 0, max: 0 }] } }, []],
  [
    { seLinux: { rule: 'MayRunAs' } },
    ['spec.seLinux.rule: Unsupported value: "MayRunAs": supported values: "MustRunAs", "RunAsAny"'],
  ],
  [{ seLinux: { rule: 'MustRunAs' } }, []],
  [
    { supplementalGroups: { rule: 'x' }, fsGroup: { ranges: [{ min: -1, max: 0 }] } },
    [
      `spec.supplementalGroups.rule: Unsupported value: "x": ${GROUP_RULES}`,
      `spec.fsGroup.rule: Unsupported value: "": ${GROUP_RULES}`,
      'spec.fsGroup.ranges[0].min: Invalid value: -1: min cannot be negative',
    ],
  ],
  [
    { volumes: ['*', 'image', 'csi', 'cephfs'] },
    ['image', 'cephfs'].map(type => `spec.volumes: Unsupported value: "${type}": ${ALL_VOLUMES}`),
  ],
  [
    { requiredDropCapabilities: ['A', 'B'], allowedCapabilities: ['*'] },
    [
      'requiredDropCapabilities: Invalid value: []core.Capability{"A", "B"}: must be empty when all capabilities are allowed by a wildcard',
    ],
  ],
  [
    {
      requiredDropCapabilities: ['A', 'B'],
      defaultAddCapabilities: ['C', 'B'],
      allowedCapabilities: ['A', 'b'],
    },
    [
      'defaultAddCapabilities: Invalid value: "B": capability is listed in defaultAddCapabilities and requiredDropCapabilities',
      'allowedCapabilities: Invalid value: "A": capability is listed in allowedCapabilities and requiredDropCapabilities',
    ],
  ],
  [{ allowedCapabilities: ['*'], defaultAddCapabilities: ['A'] }, []],
  [
    { defaultAllowPrivilegeEscalation: true, allowPrivilegeEscalation: false },
    [
      'spec.defaultAllowPrivilegeEscalation: Invalid value: true: Cannot set DefaultAllowPrivilegeEscalation to true without also setting AllowPrivilegeEscalation to true',
    ],
  ],
  [{ defaultAllowPrivilegeEscalation: true }, []],
  [{ defaultAllowPrivilegeEscalation: false, allowPrivilegeEscalation: false }, []],
  [
    { allowedProcMountTypes: ['Default', 'masked', 'Unmasked'] },
    ['spec.allowedProcMountTypes[1]: Unsupported value: "masked": supported values: "Default", "Unmasked"'],
  ],
  [
    { allowedHostPaths: [{ pathPrefix: '/a/../b' }, { pathPrefix: '/a..b' }, {}, { pathPrefix: '..' }] },
    [
      'spec.allowedHostPaths[0]: Invalid value: "/a/../b": must not contain \'..\'',
      'spec.allowedHostPaths[2]: Required value: is required',
    ],
  ],
  [
    { allowedFlexVolumes: [{ driver: 'a' }, { driver: '' }] },
    ['spec.allowedFlexVolumes.allowedFlexVolumes[1].driver: Required value: must specify a driver'],
  ],
  [
    { allowedCSIDrivers: [{ name: 'A.example' }, { name: '' }, { name: 'a_b' }] },
    [
      'spec.allowedCSIDrivers.allowedCSIDriver[1].name: Required value',
      `spec.allowedCSIDrivers.allowedCSIDriver[1].name: Invalid value: "": ${SUBDOMAIN}`,
      `spec.allowedCSIDrivers.allowedCSIDriver[2].name: Invalid value: "a_b": ${SUBDOMAIN}`,
    ],
  ],
  [{ allowedCSIDrivers: [{ name: 'a'.repeat(63) }] }, []],
  [
    { allowedCSIDrivers: [{ name: 'a'.repeat(64) }] },
    ['spec.allowedCSIDrivers.allowedCSIDriver[0].name: Too long: may not be more than 63 bytes'],
  ],
  [
    { allowedUnsafeSysctls: ['', 'a.*.b', 'kernel.msg*', 'net/core/somaxconn'] },
    [
      'spec.allowedUnsafeSysctls[0]: Invalid value: "": empty sysctl not allowed',
      `spec.allowedUnsafeSysctls[1]: Invalid value: "a.*.b": ${SYSCTL}`,
    ],
  ],
  [
    { forbiddenSysctls: ['a', '*', `b${'.b'.repeat(126)}c`] },
    [
      `spec.forbiddenSysctls[2]: Invalid value: "b${'.b'.repeat(126)}c": ${SYSCTL}`,
      "spec.forbiddenSysctls.items: Forbidden: if '*' is present, must not specify other sysctls",
    ],
  ],
  [{ forbiddenSysctls: ['*'] }, []],
  [{ allowedUnsafeSysctls: [`b${'.b'.repeat(126)}`] }, []],
  [
    {
      allowedUnsafeSysctls: ['kernel.shm*', 'net.*', 'a.b', 'c.*'],
      forbiddenSysctls: ['kernel.*', 'net.core.*', 'a.b', 'c.d'],
    },
    [
      'spec.allowedUnsafeSysctls[0]: Invalid value: "kernel.shm*": sysctl overlaps with kernel.*',
      'spec.forbiddenSysctls[1]: Invalid value: "net.core.*": sysctl overlaps with net.*',
      'spec.allowedUnsafeSysctls[2]: Invalid value: "a.b": sysctl overlaps with a.b',
      'spec.forbiddenSysctls[3]: Invalid value: "c.d": sysctl overlaps with c.*',
    ],
  ],
  [
    { allowedUnsafeSysctls: ['kernel.msgmax'], forbiddenSysctls: ['kernel.msg*'] },
    ['spec.allowedUnsafeSysctls[0]: Invalid value: "kernel.msgmax": sysctl overlaps with kernel.msg*'],
  ],
  [
    { runtimeClass: { allowedRuntimeClassNames: ['a', 'B', 'a'] } },
    [
      `spec.runtimeClass.allowedRuntimeClassNames[1]: Invalid value: "B": ${SUBDOMAIN}`,
      'spec.runtimeClass.allowedRuntimeClassNames[2]: Duplicate value: "a"',
    ],
  ],
  [
    { runtimeClass: { allowedRuntimeClassNames: ['a', '*'], defaultRuntimeClassName: 'X' } },
    [
      `spec.runtimeClass.defaultRuntimeClassName: Invalid value: "X": ${SUBDOMAIN}`,
      'spec.runtimeClass.allowedRuntimeClassNames: Invalid value: []string{"a", "*"}: if \'*\' is present, must not specify other RuntimeClass names',
    ],
  ],
  [
    { runtimeClass: { allowedRuntimeClassNames: ['a'], defaultRuntimeClassName: 'b' } },
    ['spec.runtimeClass.allowedRuntimeClassNames: Required value: default "b" must be allowed'],
  ],
  [{ runtimeClass: { allowedRuntimeClassNames: ['*'], defaultRuntimeClassName: 'b' } }, []],
  [{ runtimeClass: { allowedRuntimeClassNames: [] } }, []],
  // Nobody checks the ranges of ports; one that is upside down allows nothing.
  [{ hostPorts: [{ min: 2, max: 1 }] }, []],
];

t.test('the spec of a policy, each message', t => {
  for (const [spec, texts] of SPECS) t.strictSame(errorsOf(spec), texts, JSON.stringify(spec));
  t.end();
});

const [APP_ARMOR, SECCOMP] = ['apparmor.security.beta', 'seccomp.security.alpha'].map(
  prefix => `${prefix}.kubernetes.io`,
);

const METADATA: readonly (readonly [metadata: ObjectMeta, texts: readonly string[]])[] = [
  [{ name: '' }, ['metadata.name: Required value: name or generateName is required']],
  [{ name: '', generateName: 'p-' }, []],
  [{ name: 'P' }, [`metadata.name: Invalid value: "P": ${SUBDOMAIN}`]],
  [{ namespace: 'dropped' }, []],
  [
    { labels: { '': 'a' } },
    [
      'metadata.labels: Invalid value: "": name part must be non-empty',
      "metadata.labels: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
  [
    {
      annotations: {
        [`${APP_ARMOR}/defaultProfileName`]: 'not-good',
        [`${APP_ARMOR}/allowedProfileNames`]: 'runtime/default,not-good,localhost/a,unconfined,',
        [`${SECCOMP}/defaultProfileName`]: '*',
        [`${SECCOMP}/allowedProfileNames`]:
          'runtime/default,docker/default,unconfined,localhost//a,localhost/../b,x,*',
      },
    },
    [
      `metadata.annotations[${APP_ARMOR}/defaultProfileName]: Invalid value: "not-good": invalid AppArmor profile name: "not-good"`,
      `metadata.annotations[${APP_ARMOR}/allowedProfileNames]: Invalid value: "runtime/default,not-good,localhost/a,unconfined,": invalid AppArmor profile name: "not-good"`,
      `metadata.annotations[${SECCOMP}/defaultProfileName]: Invalid value: "*": must be a valid seccomp profile`,
      `metadata.annotations[${SECCOMP}/allowedProfileNames]: Invalid value: "/a": must be a relative path`,
      `metadata.annotations[${SECCOMP}/allowedProfileNames]: Invalid value: "../b": must not contain '..'`,
      `metadata.annotations[${SECCOMP}/allowedProfileNames]: Invalid value: "x": must be a valid seccomp profile`,
    ],
  ],
  [
    {
      annotations: {
        [`${APP_ARMOR}/defaultProfileName`]: '',
        [`${APP_ARMOR}/allowedProfileNames`]: '',
        [`${SECCOMP}/defaultProfileName`]: '',
        [`${SECCOMP}/allowedProfileNames`]: '',
      },
    },
    [],
  ],
];

t.test('the metadata of a policy, each message', t => {
  for (const [metadata, texts] of METADATA)
    t.strictSame(errorsOf({}, metadata), texts, JSON.stringify(metadata));
  t.end();
});

t.test('of several mistakes: the order, and where they stand in a manifest', t => {
  const policy = policyOf({
    allowedCSIDrivers: [{ name: 'A_' }],
    allowedCapabilities: ['X', 'A'],
    allowedFlexVolumes: [{ driver: '' }],
    allowedHostPaths: [{ pathPrefix: '' }],
    allowedUnsafeSysctls: ['*', 'a'],
    requiredDropCapabilities: ['A'],
    runAsUser: { rule: '' },
    volumes: ['csi', 'x'],
  });
  t.strictSame(
    validatePolicy(policy).map(({ path, manifestPath }) => [path, manifestPath]),
    [
      ['spec.runAsUser.rule', 'spec.runAsUser.rule'],
      ['spec.volumes', 'spec.volumes[1]'],
      ['allowedCapabilities', 'spec.allowedCapabilities[1]'],
      ['spec.allowedHostPaths[0]', 'spec.allowedHostPaths[0].pathPrefix'],
      ['spec.allowedFlexVolumes.allowedFlexVolumes[0].driver', 'spec.allowedFlexVolumes[0].driver'],
      ['spec.allowedCSIDrivers.allowedCSIDriver[0].name', 'spec.allowedCSIDrivers[0].name'],
      ['spec.allowedUnsafeSysctls.items', 'spec.allowedUnsafeSysctls'],
    ],
  );
  t.end();
});

t.test('defaults: escalation is allowed, everything else is not', t => {
  const policy = setPolicyDefaults({});
  t.match(policy, {
    metadata: { name: '', annotations: {} },
    spec: {
      allowPrivilegeEscalation: true,
      privileged: false,
      hostNetwork: false,
      volumes: [],
      hostPorts: [],
    },
  });
  t.strictSame(
    validatePolicy(policy).map(({ path }) => path),
    [
      'metadata.name',
      ...['runAsUser', 'seLinux', 'supplementalGroups', 'fsGroup'].map(field => `spec.${field}.rule`),
    ],
    'the strategies without which there is no policy',
  );
  t.equal(policyOf({ allowPrivilegeEscalation: false }).spec.allowPrivilegeEscalation, false);
  t.end();
});

t.test('both API groups had policies', t => {
  for (const apiVersion of ['policy/v1beta1', 'extensions/v1beta1']) {
    const [loaded] = load(
      [
        `apiVersion: ${apiVersion}`,
        'kind: PodSecurityPolicy',
        'metadata: {name: restricted}',
        'spec:',
        '  privileged: false',
        '  seLinux: {rule: RunAsAny}',
        '  supplementalGroups: {rule: MustRunAs, ranges: [{min: 1, max: 65535}]}',
        '  runAsUser: {rule: MustRunAsNonRoot}',
        '  fsGroup: {rule: RunAsAny}',
        '  volumes: [configMap, image]',
      ].join('\n'),
    ).others;
    const policy = setPolicyDefaults(loaded?.object ?? {});
    const [error, ...more] = validatePolicy(policy);
    t.equal(policy.metadata.name, 'restricted');
    t.strictSame(more, []);
    t.strictSame(loaded?.source.locate(error?.manifestPath ?? ''), { line: 10, column: 24 });
  }
  t.end();
});
