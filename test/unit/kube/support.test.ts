import t from 'tap';
import { setDefaults } from '../../../src/kube/defaults.ts';
import { formatFieldError } from '../../../src/kube/field-error.ts';
import { checkSupport, podFields, supportOf } from '../../../src/kube/support.ts';
import { SUPPORT } from '../../../src/kube/support-table.ts';
import type { Pod, PodSpec } from '../../../src/kube/types.generated.ts';
import { podOf, podWith } from './pods.ts';

const errorsOf = (pod: Pod) => checkSupport(setDefaults(pod)).errors.map(formatFieldError);
const warningsOf = (pod: Pod) => checkSupport(setDefaults(pod)).warnings;

t.test('every field of a Pod is in the table, and every row is a field', t => {
  const fields = podFields();
  const known = new Set([...fields, 'spec.volumes[]']);
  for (const field of fields) t.ok(field === 'spec' || supportOf(field), field);
  for (const row of Object.keys(SUPPORT)) t.ok(known.has(row), `row ${row}`);
  t.end();
});

/** Fields that are acted on through the row above them. What is new in the API must be put here, or get a row. */
const COVERED: Readonly<Record<string, readonly string[]>> = {
  'spec.securityContext': [
    'fsGroup',
    'runAsGroup',
    'runAsNonRoot',
    'runAsUser',
    'supplementalGroups',
    'supplementalGroupsPolicy',
  ],
  'spec.containers[].securityContext': [
    'allowPrivilegeEscalation',
    'capabilities',
    'privileged',
    'readOnlyRootFilesystem',
    'runAsGroup',
    'runAsNonRoot',
    'runAsUser',
  ],
  'spec.containers[].volumeMounts[]': [
    'mountPath',
    'mountPropagation',
    'name',
    'readOnly',
    'recursiveReadOnly',
    'subPath',
    'subPathExpr',
  ],
  'spec.containers[].env[]': ['name', 'value', 'valueFrom'],
  'spec.containers[].env[].valueFrom': ['configMapKeyRef', 'fieldRef', 'resourceFieldRef', 'secretKeyRef'],
  'spec.containers[].envFrom[]': ['configMapRef', 'prefix', 'secretRef'],
};

t.test('no new field is taken for one that is acted on', t => {
  const childrenOf = (parent: string) =>
    podFields()
      .filter(field => field.startsWith(`${parent}.`))
      .map(field => field.slice(parent.length + 1))
      .filter(name => !/[.[]/.test(name));
  for (const parent of ['spec', 'spec.containers[]', 'spec.initContainers[]'])
    for (const name of childrenOf(parent)) t.ok(SUPPORT[`${parent}.${name}`], `${parent}.${name}`);
  for (const [parent, covered] of Object.entries(COVERED)) {
    const open = childrenOf(parent).filter(name => SUPPORT[`${parent}.${name}`] === undefined);
    t.same(open.sort(), [...covered].sort(), parent);
  }
  t.end();
});

t.test('a plain pod is neither refused nor warned of', t => {
  t.same(checkSupport(setDefaults(podOf())), { errors: [], warnings: [] });
  t.end();
});

t.test('what would matter and is not done is refused', t => {
  const specs: readonly Partial<PodSpec>[] = [
    { runtimeClassName: 'gvisor' },
    {
      volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }],
    },
    { volumes: [{ name: 'v', projected: { sources: [{ clusterTrustBundle: { path: 'ca' } }] } }] },
    { volumes: [{ name: 'v', emptyDir: { medium: 'HugePages' } }] },
  ];
  for (const spec of specs) {
    const errors = errorsOf(podOf(spec));
    t.equal(errors.length, 1, JSON.stringify(spec));
    t.match(errors[0], ': Forbidden: ');
  }
  const containers = [
    { resources: { limits: { 'example.com/gpu': 1 } } },
    { restartPolicyRules: [{ action: 'RestartAllContainers' }] },
  ];
  for (const container of containers) {
    t.equal(errorsOf(podWith(container)).length, 1, JSON.stringify(container));
    const init = podOf({ initContainers: [{ name: 'i', image: 'i', ...container }] });
    t.equal(errorsOf(init).length, 1, `init: ${JSON.stringify(container)}`);
  }
  t.end();
});

t.test('an empty volume of an unknown type is refused as a full one is', t => {
  for (const type of ['csi', 'nfs', 'iscsi', 'flocker'])
    t.equal(errorsOf(podOf({ volumes: [{ name: 'v', [type]: {} }] })).length, 1, type);
  t.end();
});

t.test('the same values where they are harmless', t => {
  const specs: readonly Partial<PodSpec>[] = [
    { hostUsers: true },
    { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
    { securityContext: { seccompProfile: { type: 'Unconfined' } } },
    { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } },
    { securityContext: { seccompProfile: { type: 'Localhost', localhostProfile: 'a.json' } } },
    { securityContext: { sysctls: [] } },
    { volumes: [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }] },
    { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }] },
    { resources: { limits: { memory: '1Gi' } } },
    {
      hostNetwork: true,
      containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80 }] }],
    },
    { containers: [{ name: 'c', image: 'i', resources: {}, stdin: false, tty: false }] },
    { containers: [{ name: 'c', image: 'i', restartPolicyRules: [{ action: 'Restart' }] }] },
    { containers: [{ name: 'c', image: 'i', readinessProbe: { exec: { command: ['a'] } } }] },
    { containers: [{ name: 'c', image: 'i', lifecycle: { preStop: { sleep: { seconds: 1 } } } }] },
  ];
  for (const spec of specs)
    t.same(checkSupport(setDefaults(podOf(spec))), { errors: [], warnings: [] }, JSON.stringify(spec));
  t.end();
});

t.test('what is about a cluster is noted', t => {
  const specs: readonly Partial<PodSpec>[] = [
    { nodeSelector: { a: 'b' } },
    { tolerations: [{ operator: 'Exists' }] },
    { priorityClassName: 'high' },
    { schedulerName: 'mine' },
  ];
  for (const spec of specs) {
    t.equal(warningsOf(podOf(spec)).length, 1, JSON.stringify(spec));
    t.same(errorsOf(podOf(spec)), []);
  }
  t.end();
});
