import t from 'tap';
import type { Container, Pod, PodSpec } from '../../../src/kube/types.generated.ts';
import { errorsOf, podOf, podWith } from './pods.ts';

type Case = readonly [pod: Pod, ...errors: readonly string[]];
const C = 'spec.containers[0]';
const spec = (fields: Partial<PodSpec>, ...errors: readonly string[]): Case => [podOf(fields), ...errors];
const container = (fields: Partial<Container>, ...errors: readonly string[]): Case => [
  podWith(fields),
  ...errors,
];
const as = <T>(value: unknown): T => value as T;

const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const ID = 'must be between 0 and 2147483647, inclusive';
/** One more character than 2048. */
const LONG_SEARCHES = [...[...'abcdefgh'].map(letter => letter.repeat(227)), 'i'.repeat(225)];
const IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

function check(title: string, cases: readonly Case[], todo?: string): void {
  t.test(title, { todo }, t => {
    for (const [pod, ...errors] of cases)
      t.same(errorsOf(pod), errors, JSON.stringify(pod.spec).slice(0, 80));
    t.end();
  });
}

check('a plain pod is valid, and so is a rich one', [
  spec({}),
  spec({ hostNetwork: true, hostPID: true, hostIPC: true }),
  container({
    command: ['a'],
    env: [
      { name: 'A', value: 'b' },
      { name: 'B.c-d', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a/b']" } } },
    ],
    ports: [
      { containerPort: 80, name: 'http' },
      { containerPort: 80, protocol: 'UDP' },
    ],
    securityContext: { runAsUser: 0, capabilities: { add: ['SYS_ADMIN'] }, allowPrivilegeEscalation: false },
    resources: {
      limits: { cpu: 1, memory: '64Mi', 'example.com/gpu': 1 },
      requests: { cpu: '1000m', 'example.com/gpu': '1' },
    },
  }),
]);

check(
  'names',
  [
    [podOf({}, { name: undefined }), 'metadata.name: Required value: name or generateName is required'],
    [podOf({}, { name: 'A_b' }), `metadata.name: Invalid value: "A_b": ${SUBDOMAIN}`],
    [podOf({}, { name: 'a.b-1' })],
    [
      podOf({}, { name: `${'a'.repeat(254)}` }),
      `metadata.name: Invalid value: "${'a'.repeat(254)}": must be no more than 253 characters`,
    ],
  ],
  undefined,
);

check('labels of names', [
  [podOf({}, { namespace: 'a.b' }), `metadata.namespace: Invalid value: "a.b": ${LABEL}`],
  container({ name: 'A' }, `${C}.name: Invalid value: "A": ${LABEL}`),
  spec({ hostname: 'A' }, `spec.hostname: Invalid value: "A": ${LABEL}`),
  spec({ subdomain: 'a.b' }, `spec.subdomain: Invalid value: "a.b": ${LABEL}`),
  spec({ volumes: [{ name: 'V' }] }, `spec.volumes[0].name: Invalid value: "V": ${LABEL}`),
]);

check('containers', [
  spec({ containers: [] }, 'spec.containers: Required value'),
  spec(as({ containers: undefined }), 'spec.containers: Required value'),
  spec({ containers: [as({})] }, `${C}.name: Required value`, `${C}.image: Required value`),
  container({ image: ' i' }, `${C}.image: Invalid value: " i": must not have leading or trailing whitespace`),
  spec(
    {
      containers: [
        { name: 'c', image: 'i' },
        { name: 'c', image: 'i' },
      ],
    },
    'spec.containers[1].name: Duplicate value: "c"',
  ),
  spec({ initContainers: [{ name: 'c', image: 'i' }] }, 'spec.initContainers[0].name: Duplicate value: "c"'),
  container(
    { imagePullPolicy: 'Sometimes' },
    `${C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`,
  ),
  container(
    { terminationMessagePolicy: 'X' },
    `${C}.terminationMessagePolicy: Unsupported value: "X": supported values: "FallbackToLogsOnError", "File"`,
  ),
]);

check('ports', [
  container({ ports: [as({})] }, `${C}.ports[0].containerPort: Required value`),
  container(
    { ports: [{ containerPort: 70000 }] },
    `${C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
  ),
  container(
    { ports: [{ containerPort: 1, hostPort: -1 }] },
    `${C}.ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive`,
  ),
  container(
    { ports: [{ containerPort: 1, protocol: 'ICMP' }] },
    `${C}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"`,
  ),
  container(
    { ports: [{ containerPort: 1, hostIP: 'localhost' }] },
    `${C}.ports[0].hostIP: Invalid value: "localhost": ${IP}`,
  ),
  container(
    {
      ports: [
        { containerPort: 1, name: 'a' },
        { containerPort: 2, name: 'a' },
      ],
    },
    `${C}.ports[1].name: Duplicate value: "a"`,
  ),
  container(
    { ports: [{ containerPort: 1, name: '8080' }] },
    `${C}.ports[0].name: Invalid value: "8080": must contain at least one letter (a-z)`,
  ),
  [
    podOf({
      hostNetwork: true,
      containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 8080, hostPort: 9000 }] }],
    }),
    `${C}.ports[0].hostPort: Invalid value: 9000: must match \`containerPort\` when \`hostNetwork\` is true`,
  ],
  [
    podOf({
      containers: ['a', 'b'].map(name => ({
        name,
        image: 'i',
        ports: [{ containerPort: 80, hostPort: 9000 }],
      })),
    }),
    'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//9000"',
  ],
  [
    podWith(
      { ports: [{ containerPort: 80 }, { containerPort: 80, protocol: 'UDP' }] },
      { hostNetwork: true },
    ),
  ],
]);

check('host namespaces', [
  spec(
    { hostPID: true, shareProcessNamespace: true },
    'spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled',
  ),
  spec(
    { hostUsers: false, hostNetwork: true, hostPID: true, hostIPC: true },
    'spec.hostNetwork: Forbidden: when `hostUsers` is false',
    'spec.HostPID: Forbidden: when `hostUsers` is false',
    'spec.HostIPC: Forbidden: when `hostUsers` is false',
  ),
  spec(
    { hostnameOverride: 'a', hostNetwork: true },
    'spec.hostnameOverride: Forbidden: may not be specified when hostNetwork is true',
  ),
  spec(
    { hostnameOverride: 'a', setHostnameAsFQDN: true },
    'spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true',
  ),
  spec(
    { ephemeralContainers: [{ name: 'e', image: 'i' }] },
    'spec.ephemeralContainers: Forbidden: cannot be set on create',
  ),
]);

check('security contexts', [
  container(
    { securityContext: { runAsUser: -1 } },
    `${C}.securityContext.runAsUser: Invalid value: -1: ${ID}`,
  ),
  container(
    { securityContext: { runAsGroup: 2 ** 31 } },
    `${C}.securityContext.runAsGroup: Invalid value: 2147483648: ${ID}`,
  ),
  spec({ securityContext: { fsGroup: -1 } }, `spec.securityContext.fsGroup: Invalid value: -1: ${ID}`),
  spec(
    { securityContext: { supplementalGroups: [1, -1] } },
    `spec.securityContext.supplementalGroups[1]: Invalid value: -1: ${ID}`,
  ),
  spec(
    { securityContext: { supplementalGroupsPolicy: 'merge' } },
    'spec.securityContext.supplementalGroupsPolicy: Unsupported value: "merge": supported values: "Merge", "Strict"',
  ),
  container(
    { securityContext: { privileged: true, allowPrivilegeEscalation: false } },
    `${C}.securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set \`allowPrivilegeEscalation\` to false and \`privileged\` to true`,
  ),
  container(
    { securityContext: { allowPrivilegeEscalation: false, capabilities: { add: ['CAP_SYS_ADMIN'] } } },
    `${C}.securityContext: Invalid value: {"allowPrivilegeEscalation":false,"capabilities":{"add":["CAP_SYS_ADMIN"]}}: cannot set \`allowPrivilegeEscalation\` to false and \`capabilities.Add\` CAP_SYS_ADMIN`,
  ),
  container(
    { securityContext: { procMount: 'Unmasked' } },
    `${C}.securityContext.procMount: Invalid value: "Unmasked": \`hostUsers\` must be false to use \`Unmasked\``,
  ),
  container(
    { securityContext: { procMount: 'None' } },
    `${C}.securityContext.procMount: Unsupported value: "None": supported values: "Default", "Unmasked"`,
  ),
  container(
    { securityContext: { seccompProfile: { type: 'Localhost' } } },
    `${C}.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost`,
  ),
  container(
    { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: '../x' } } },
    `${C}.securityContext.seccompProfile.localhostProfile: Invalid value: "../x": must not contain '..'`,
  ),
  spec(
    { securityContext: { seccompProfile: { type: 'X' } } },
    'spec.securityContext.seccompProfile.type: Unsupported value: "X": supported values: "Localhost", "RuntimeDefault", "Unconfined"',
  ),
  container(
    { securityContext: { appArmorProfile: { type: 'Localhost' } } },
    `${C}.securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost`,
  ),
  container(
    { securityContext: { appArmorProfile: { type: 'Unconfined', localhostProfile: 'a' } } },
    `${C}.securityContext.appArmorProfile.localhostProfile: Invalid value: "a": can only be set when AppArmor type is Localhost`,
  ),
  spec(
    { securityContext: { appArmorProfile: as({}) } },
    'spec.securityContext.appArmorProfile.type: Required value: type is required when appArmorProfile is set',
  ),
  spec(
    { os: { name: 'linux' }, securityContext: { windowsOptions: {} } },
    'spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod',
  ),
  spec(
    { securityContext: { fsGroupChangePolicy: 'Never' } },
    'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"',
  ),
]);

const sysctls = (...names: readonly string[]) => ({ sysctls: names.map(name => ({ name, value: '1' })) });
check('sysctls', [
  spec({ securityContext: sysctls('net.ipv4.tcp_syncookies', 'kernel/shm_rmid_forced') }),
  spec(
    { securityContext: sysctls('a.b', 'a.b') },
    'spec.securityContext.sysctls[1].name: Duplicate value: "a.b"',
  ),
  spec(
    { securityContext: sysctls('A') },
    'spec.securityContext.sysctls[0].name: Invalid value: "A": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$',
  ),
  spec(
    { hostNetwork: true, securityContext: sysctls('net.core.somaxconn') },
    'spec.securityContext.sysctls[0].name: Invalid value: "net.core.somaxconn": may not be specified when \'hostNetwork\' is true',
  ),
  spec(
    { hostNetwork: true, securityContext: sysctls('net/core/somaxconn') },
    'spec.securityContext.sysctls[0].name: Invalid value: "net/core/somaxconn": may not be specified when \'hostNetwork\' is true',
  ),
  spec(
    { hostIPC: true, securityContext: sysctls('kernel.sem', 'net.core.somaxconn') },
    'spec.securityContext.sysctls[0].name: Invalid value: "kernel.sem": may not be specified when \'hostIPC\' is true',
  ),
]);

check('times and words of the pod', [
  spec(
    { restartPolicy: 'Sometimes' },
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
  ),
  spec(
    { dnsPolicy: 'X' },
    'spec.dnsPolicy: Unsupported value: "X": supported values: "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"',
  ),
  spec(
    { activeDeadlineSeconds: 0 },
    'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
  ),
  spec(
    { terminationGracePeriodSeconds: -1 },
    'spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0',
  ),
]);

check('names of hosts and name servers', [
  spec(
    { dnsPolicy: 'None' },
    'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
  ),
  spec(
    { dnsPolicy: 'None', dnsConfig: {} },
    'spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None',
  ),
  spec(
    { dnsConfig: { nameservers: ['1.1.1.1', '::1', '1.1.1.2', '1.1.1.3'] } },
    'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","::1","1.1.1.2","1.1.1.3"]: must not have more than 3 nameservers',
  ),
  spec({ dnsConfig: { nameservers: ['dns'] } }, `spec.dnsConfig.nameservers[0]: Invalid value: "dns": ${IP}`),
  spec(
    { dnsConfig: { options: [{ value: 'a' }] } },
    'spec.dnsConfig.options[0]: Required value: must not be empty',
  ),
  spec(
    { dnsConfig: { searches: ['a_b.example', 'example.', '_x_', '.', '_tcp.example'] } },
    "spec.dnsConfig.searches[2]: Invalid value: \"_x_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')",
  ),
  spec(
    { dnsConfig: { searches: LONG_SEARCHES } },
    `spec.dnsConfig.searches: Invalid value: ${JSON.stringify(LONG_SEARCHES)}: must not have more than 2048 characters (including spaces) in the search list`,
  ),
  spec(
    { hostAliases: [{ ip: '300.1.1.1', hostnames: ['a'] }] },
    `spec.hostAliases[0].ip: Invalid value: "300.1.1.1": ${IP}`,
  ),
  spec(
    { hostAliases: [{ ip: '::ffff:1.2.3.4', hostnames: ['A'] }] },
    `spec.hostAliases[0].hostnames[0]: Invalid value: "A": ${SUBDOMAIN}`,
  ),
]);

check('addresses that only look like some', [
  ...['1:2', ':', ':::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', '::1.2.3', '01.2.3.4', '1.2.3'].map(
    ip => spec({ hostAliases: [{ ip }] }, `spec.hostAliases[0].ip: Invalid value: "${ip}": ${IP}`),
  ),
  ...['::', '::1', '1::', '1:2:3:4:5:6:7:8', 'fe80::1', '::1.2.3.4', '0.0.0.0'].map(ip =>
    spec({ hostAliases: [{ ip }] }),
  ),
]);

const PROJECTED = 'spec.volumes[0].projected';
const item = (path: string, fieldPath: string) => ({ path, fieldRef: { fieldPath } });
const projected = (...sources: readonly object[]): Partial<PodSpec> => ({
  volumes: [as({ name: 'v', projected: { sources } })],
});
const downward = (...items: readonly object[]): Partial<PodSpec> => ({
  volumes: [as({ name: 'v', downwardAPI: { items } })],
});

check('downwardAPI volumes', [
  spec(
    { volumes: [as({ name: 'v', downwardAPI: { defaultMode: -1 } })] },
    'spec.volumes[0].downwardAPI.defaultMode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive',
  ),
  spec(
    downward({}),
    'spec.volumes[0].downwardAPI.path: Required value',
    'spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required',
  ),
  spec(
    downward({ ...item('..a', 'metadata.name'), mode: 512 }),
    `spec.volumes[0].downwardAPI.path: Invalid value: "..a": must not start with '..'`,
    'spec.volumes[0].downwardAPI.mode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
  ),
  spec(
    downward(item('/a/../b', 'metadata.uid')),
    'spec.volumes[0].downwardAPI.path: Invalid value: "/a/../b": must be a relative path',
    `spec.volumes[0].downwardAPI.path: Invalid value: "/a/../b": must not contain '..'`,
  ),
  spec(
    downward(
      item('a', 'status.podIP'),
      item('b', 'metadata.foo'),
      item('c', "metadata.name['x']"),
      item('d', ''),
    ),
    'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: "status.podIP": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"',
    'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Invalid value: "metadata.foo": error converting fieldPath: field label not supported: metadata.foo',
    'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Invalid value: "metadata.name": does not support subscript',
    'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Required value',
  ),
  spec(downward(item('a', "metadata.annotations['Example.org/A']"), item('b', "metadata.labels['app']"))),
  spec(
    downward({ path: 'a', resourceFieldRef: { resource: 'limits.cpu' } }),
    'spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value',
  ),
  spec(
    downward({ path: 'a', resourceFieldRef: { containerName: 'c', resource: 'limits.gpu' } }),
    'spec.volumes[0].downwardAPI.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"',
  ),
  spec(
    downward({
      ...item('a', 'metadata.name'),
      resourceFieldRef: { containerName: 'c', resource: 'limits.cpu' },
    }),
    'spec.volumes[0].downwardAPI: Invalid value: "resource": fieldRef and resourceFieldRef can not be specified simultaneously',
  ),
]);

check('claims and images', [
  spec(
    { volumes: [as({ name: 'v', persistentVolumeClaim: {} })] },
    'spec.volumes[0].persistentVolumeClaim.claimName: Required value',
  ),
  spec(
    { volumes: [{ name: 'v', ephemeral: {} }] },
    'spec.volumes[0].ephemeral.volumeClaimTemplate: Required value',
  ),
  spec(
    { volumes: [{ name: 'v', ephemeral: { volumeClaimTemplate: { spec: {} } } }] },
    'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required',
    'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value',
  ),
  spec({ volumes: [{ name: 'v', image: {} }] }, 'spec.volumes[0].image.reference: Required value'),
  spec(
    { volumes: [{ name: 'v', image: { reference: 'i', pullPolicy: 'Now' } }] },
    'spec.volumes[0].image.pullPolicy: Unsupported value: "Now": supported values: "Always", "IfNotPresent", "Never"',
  ),
]);

check('projected volumes', [
  spec(
    { volumes: [as({ name: 'v', projected: { defaultMode: 512 } })] },
    `${PROJECTED}.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive`,
  ),
  spec(
    projected({ secret: {} }, { configMap: { items: [{ key: '', path: '' }] } }),
    `${PROJECTED}.sources[0].secret.name: Required value`,
    `${PROJECTED}.sources[1].configMap.name: Required value`,
    `${PROJECTED}.sources[1].configMap.items[0].key: Required value`,
    `${PROJECTED}.sources[1].configMap.items[0].path: Required value`,
  ),
  spec(
    projected(
      { secret: { name: 's', items: [{ key: 'k', path: 'a' }] } },
      { configMap: { name: 'm', items: [{ key: 'k', path: 'a' }] } },
      { downwardAPI: { items: [item('a', 'metadata.name')] } },
    ),
    `${PROJECTED}: Invalid value: "m": conflicting duplicate paths`,
    `${PROJECTED}: Invalid value: "a": conflicting duplicate paths`,
  ),
  spec(
    projected({ secret: { name: 's' }, configMap: { name: 'm' } }),
    `${PROJECTED}.sources[0]: Forbidden: may not specify more than 1 volume type`,
  ),
  spec(
    projected({ downwardAPI: { items: [item('../a', 'metadata.name')] } }),
    `${PROJECTED}.sources[0].downwardAPI.path: Invalid value: "../a": must not contain '..'`,
  ),
]);

check('volumes', [
  spec({ volumes: [as({})] }, 'spec.volumes[0].name: Required value'),
  spec({ volumes: [{ name: 'v' }, { name: 'v' }] }, 'spec.volumes[1].name: Duplicate value: "v"'),
  spec(
    { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] },
    'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
  ),
  spec(
    { volumes: [{ name: 'v', hostPath: { path: '/a/../b' } }] },
    'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
  ),
  spec(
    { volumes: [{ name: 'v', hostPath: { path: '/a..b', type: 'Dir' } }] },
    'spec.volumes[0].hostPath.type: Unsupported value: "Dir": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
  ),
  spec(
    { volumes: [{ name: 'v', configMap: { defaultMode: 512 } }] },
    'spec.volumes[0].configMap.name: Required value',
    'spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
  ),
  spec(
    { volumes: [{ name: 'v', secret: { secretName: 's', items: [{ key: 'a', path: '../b' }] } }] },
    'spec.volumes[0].secret.items[0].path: Invalid value: "../b": must not contain \'..\'',
  ),
  spec(
    { volumes: [{ name: 'v', secret: { secretName: 's', items: [as({})] } }] },
    'spec.volumes[0].secret.items[0].key: Required value',
    'spec.volumes[0].secret.items[0].path: Required value',
  ),
]);

const mount = (fields: object, ...errors: readonly string[]): Case => [
  podWith({ volumeMounts: [{ name: 'v', mountPath: '/m', ...fields }] }, { volumes: [{ name: 'v' }] }),
  ...errors,
];
check('volume mounts', [
  mount({}),
  container({ volumeMounts: [{ name: 'x', mountPath: '/m' }] }, `${C}.volumeMounts[0].name: Not found: "x"`),
  mount({ mountPath: undefined }, `${C}.volumeMounts[0].mountPath: Required value`),
  mount({ subPath: '/a' }, `${C}.volumeMounts.subPath: Invalid value: "/a": must be a relative path`),
  mount({ subPath: 'a/../b' }, `${C}.volumeMounts.subPath: Invalid value: "a/../b": must not contain '..'`),
  mount({ subPath: 'a..b' }),
  mount(
    { mountPropagation: 'Bidirectional' },
    `${C}.volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers`,
  ),
  mount(
    { recursiveReadOnly: 'Enabled' },
    `${C}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true`,
  ),
  mount({ recursiveReadOnly: 'IfPossible', readOnly: true }),
  mount(
    { recursiveReadOnly: 'Enabled', readOnly: true, mountPropagation: 'HostToContainer' },
    `${C}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when mountPropagation is None or not specified`,
  ),
  mount(
    { recursiveReadOnly: 'Yes' },
    `${C}.volumeMounts.recursiveReadOnly: Unsupported value: "Yes": supported values: "Disabled", "Enabled", "IfPossible"`,
  ),
  mount({ subPathExpr: '$(A)/b' }),
  mount(
    { subPathExpr: '/$(A)/../b' },
    `${C}.volumeMounts.subPathExpr: Invalid value: "/$(A)/../b": must be a relative path`,
    `${C}.volumeMounts.subPathExpr: Invalid value: "/$(A)/../b": must not contain '..'`,
  ),
  mount(
    { subPathExpr: '$(A)', subPath: 'a' },
    `${C}.volumeMounts.subPathExpr: Invalid value: "$(A)": subPathExpr and subPath are mutually exclusive`,
  ),
  [
    podWith(
      { volumeMounts: ['/m', '/m'].map(mountPath => ({ name: 'v', mountPath })) },
      { volumes: [{ name: 'v' }] },
    ),
    `${C}.volumeMounts[1].mountPath: Invalid value: "/m": must be unique`,
  ],
]);

const env = (variable: object, ...errors: readonly string[]): Case =>
  container({ env: [as(variable)] }, ...errors);
check('environment', [
  env({ value: 'a' }, `${C}.env[0].name: Required value`),
  env(
    { name: 'a=b' },
    `${C}.env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='`,
  ),
  env({ name: 'A', valueFrom: { fieldRef: {} } }, `${C}.env[0].valueFrom.fieldRef.fieldPath: Required value`),
  env(
    { name: 'A', valueFrom: { configMapKeyRef: { name: 'm' } } },
    `${C}.env[0].valueFrom.configMapKeyRef.key: Required value`,
  ),
  env(
    { name: 'A', valueFrom: { secretKeyRef: { name: 'M', key: 'a' } } },
    `${C}.env[0].valueFrom.secretKeyRef.name: Invalid value: "M": ${SUBDOMAIN}`,
  ),
  env(
    { name: 'A', valueFrom: { resourceFieldRef: { resource: 'cpu' } } },
    `${C}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "cpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"`,
  ),
  env(
    { name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    `${C}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
  ),
  env(
    { name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.x' } } },
    `${C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.x": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"`,
  ),
  container(
    { envFrom: [{ prefix: '=', configMapRef: { name: 'm' } }] },
    `${C}.envFrom[0].prefix: Invalid value: "=": a valid environment variable name must consist only of printable ASCII characters other than '='`,
  ),
  container({ envFrom: [{ configMapRef: {} }] }, `${C}.envFrom[0].configMapRef.name: Required value`),
]);

check('an envFrom without a source is told of the list', [
  container(
    { envFrom: [{}] },
    `${C}.envFrom: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``,
  ),
]);

check('resources', [
  container(
    { resources: { limits: { cpu: '100m' }, requests: { cpu: '0.2' } } },
    `${C}.resources.requests: Invalid value: "200m": must be less than or equal to cpu limit of 100m`,
  ),
  container(
    { resources: { limits: { memory: '1Gi' }, requests: { memory: '2048Mi' } } },
    `${C}.resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi`,
  ),
  container({ resources: { limits: { memory: '1Gi' }, requests: { memory: '1024Mi' } } }),
  container(
    { resources: { requests: { cpu: -1 } } },
    `${C}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0`,
  ),
  container(
    { resources: { limits: { foo: 1 } } },
    ...['limits', 'requests'].map(
      list => `${C}.resources.${list}[foo]: Invalid value: "foo": must be a standard resource for containers`,
    ),
  ),
  container(
    { resources: { limits: { 'a.b/gpu': 2 }, requests: { 'a.b/gpu': 1 } } },
    `${C}.resources.requests: Invalid value: "1": must be equal to a.b/gpu limit of 2`,
  ),
]);

check('probes and hooks', [
  container(
    { restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }] },
    `${C}.restartPolicy: Required value: must specify restartPolicy when restart rules are used`,
  ),
  container(
    {
      restartPolicy: 'Never',
      restartPolicyRules: [{ action: 'DoNotRestart', exitCodes: { operator: 'Equals' } }],
    },
    `${C}.restartPolicyRules[0].action: Unsupported value: "DoNotRestart": supported values: "Restart", "RestartAllContainers"`,
    `${C}.restartPolicyRules[0].exitCodes.operator: Unsupported value: "Equals": supported values: "In", "NotIn"`,
  ),
  container(
    { restartPolicy: 'Never', restartPolicyRules: [{ action: 'Restart' }] },
    `${C}.restartPolicyRules[0].exitCodes: Required value: must be specified`,
  ),
  container(
    {
      restartPolicy: 'Never',
      restartPolicyRules: Array(21).fill({
        action: 'Restart',
        exitCodes: { operator: 'In', values: [1] },
      }),
    },
    `${C}.restartPolicyRules: Too many: 21: must have at most 20 items`,
  ),
  container(
    { lifecycle: { stopSignal: 'SIGUSR1' } },
    `${C}.lifecycle.stopSignal: Forbidden: may not be set for containers with empty \`spec.os.name\``,
  ),
  container({ livenessProbe: {} }, `${C}.livenessProbe: Required value: must specify a handler type`),
  container(
    { livenessProbe: { exec: { command: ['a'] }, tcpSocket: { port: 80 } } },
    `${C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`,
  ),
  container({ livenessProbe: { exec: {} } }, `${C}.livenessProbe.exec.command: Required value`),
  container(
    { livenessProbe: { exec: { command: ['a'] }, successThreshold: 2 } },
    `${C}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
  ),
  container(
    { readinessProbe: { exec: { command: ['a'] }, terminationGracePeriodSeconds: 5 } },
    `${C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes`,
  ),
  container(
    { startupProbe: { httpGet: { port: 0, scheme: 'FTP', httpHeaders: [{ name: 'a b', value: '' }] } } },
    `${C}.startupProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
    `${C}.startupProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"`,
    `${C}.startupProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')`,
  ),
  container(
    { lifecycle: { preStop: {} } },
    `${C}.lifecycle.preStop: Required value: must specify a handler type`,
  ),
  container(
    { lifecycle: { preStop: { exec: { command: ['a'] }, sleep: { seconds: 1 } } } },
    `${C}.lifecycle.preStop.sleep: Forbidden: may not specify more than 1 handler type`,
  ),
  container(
    { lifecycle: { preStop: { sleep: { seconds: 31 } } } },
    `${C}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)`,
  ),
]);

check('stop signals', [
  spec({
    os: { name: 'linux' },
    containers: [{ name: 'c', image: 'i', lifecycle: { stopSignal: 'SIGRTMIN+3' } }],
  }),
]);
t.test('a stop signal that Linux does not have', t => {
  const [error = '', ...rest] = errorsOf(
    podWith({ lifecycle: { stopSignal: 'TERM' } }, { os: { name: 'linux' } }),
  );
  t.match(
    error,
    `${C}.lifecycle.stopSignal: Unsupported value: "TERM": supported values: "SIGABRT", "SIGALRM"`,
  );
  t.same(rest, []);
  t.end();
});

check('init containers', [
  spec(
    { initContainers: [{ name: 'a', image: 'i', livenessProbe: { exec: { command: ['a'] } } }] },
    'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
  ),
  spec({
    initContainers: [
      { name: 'a', image: 'i', restartPolicy: 'Always', livenessProbe: { exec: { command: ['a'] } } },
    ],
  }),
  spec(
    { initContainers: [{ name: 'a', image: 'i', lifecycle: { preStop: { exec: { command: ['a'] } } } }] },
    'spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always',
  ),
]);

const QUALIFIED =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
check('labels, annotations and names of the cluster', [
  [podOf({}, { labels: { 'a b': 'c' } }), `metadata.labels: Invalid value: "a b": name part ${QUALIFIED}`],
  [
    podOf({}, { labels: { 'a/b/c': 'c' } }),
    `metadata.labels: Invalid value: "a/b/c": a qualified name ${QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
  ],
  [
    podOf({}, { labels: { '/b': '' } }),
    'metadata.labels: Invalid value: "/b": prefix part must be non-empty',
  ],
  [
    podOf({}, { labels: { a: 'b c' } }),
    "metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
  ],
  [podOf({}, { labels: { a: '', 'example.com/b': 'c' } })],
  [podOf({}, { annotations: { 'Example.com/a': 'any text' } })],
  [
    podOf({}, { annotations: { a: 'x'.repeat(262_144) } }),
    'metadata.annotations: Too long: may not be more than 262144 bytes',
  ],
  spec({ nodeName: 'A' }, `spec.nodeName: Invalid value: "A": ${SUBDOMAIN}`),
  spec(
    { nodeName: 'a', schedulingGates: [{ name: 'g' }] },
    'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
  ),
]);
