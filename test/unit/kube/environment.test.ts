import t from 'tap';
import { setDefaults } from '../../../src/kube/defaults.ts';
import { type PodObjects, resolveEnvironment } from '../../../src/kube/environment.ts';
import type { Container, Pod } from '../../../src/kube/types.generated.ts';
import { podOf, podWith } from './pods.ts';

const OBJECTS: PodObjects = {
  configMaps: [
    { metadata: { name: 'm' }, data: { a: '1', 'b.c': '2', 'd=e': '3' }, binaryData: { raw: 'AAE=' } },
    { metadata: { name: 'm', namespace: 'other' }, data: { a: 'other' } },
  ],
  secrets: [{ metadata: { name: 's' }, data: { a: 'c2VjcmV0' }, stringData: { b: 'text' } }],
};
const FACTS = {
  podIPs: ['10.0.0.2', 'fd00::2'],
  hostIP: '192.168.0.1',
  nodeName: 'node',
  capacity: { cpus: 4, memory: 2 ** 34 },
};

const resolve = (pod: Pod) =>
  resolveEnvironment(pod, pod.spec?.containers[0] ?? { name: '' }, OBJECTS, FACTS);
const envOf = (container: Partial<Container>, pod: Pod = podWith(container)) => {
  const result = resolve(setDefaults(pod));
  return 'error' in result ? result.error : Object.fromEntries(result.env);
};

t.test('values use those before them, envFrom included, and not those after', t => {
  const env = [
    { name: 'A', value: '$(a)' },
    { name: 'B', value: '$(A)-$(C)-$$(A)' },
    { name: 'C', value: 'c' },
    { name: 'A', value: '$(A)$(C)' },
  ];
  t.match(envOf({ env, envFrom: [{ configMapRef: { name: 'm' } }] }), { A: '1c', B: '1-$(C)-$(A)', C: 'c' });
  t.end();
});

t.test('envFrom: a prefix; a name that is none is left out with a warning', t => {
  const result = resolve(
    podWith({ envFrom: [{ prefix: 'P_', configMapRef: { name: 'm' } }, { secretRef: { name: 's' } }] }),
  );
  t.notOk('error' in result);
  if (!('error' in result)) {
    t.match(Object.fromEntries(result.env), { P_a: '1', 'P_b.c': '2', a: 'secret', b: 'text' });
    t.equal(result.warnings.length, 1);
    t.match(result.warnings[0], '"d=e"');
  }
  t.end();
});

t.test('keys of ConfigMaps and Secrets', t => {
  const env = [
    { name: 'A', valueFrom: { configMapKeyRef: { name: 'm', key: 'a' } } },
    { name: 'B', valueFrom: { secretKeyRef: { name: 's', key: 'a' } } },
    { name: 'C', valueFrom: { secretKeyRef: { name: 'none', key: 'a', optional: true } } },
    { name: 'D', valueFrom: { configMapKeyRef: { name: 'm', key: 'none', optional: true } } },
  ];
  t.same(envOf({ env }), { A: '1', B: 'secret' });
  t.equal(
    envOf({}, podOf({ containers: [{ name: 'c', env: env.slice(0, 1) }] }, { namespace: 'other' }))[
      'A' as never
    ],
    'other',
  );
  t.end();
});

t.test('an optional key that is missing leaves an earlier value', t => {
  const env = [
    { name: 'A', value: 'a' },
    { name: 'A', valueFrom: { configMapKeyRef: { name: 'm', key: 'none', optional: true } } },
  ];
  t.same(envOf({ env }), { A: 'a' });
  t.end();
});

t.test('binaryData is not for variables', t => {
  const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'm', key: 'raw' } } }];
  t.equal(envOf({ env }), "couldn't find key raw in ConfigMap default/m");
  t.notOk('raw' in (envOf({ envFrom: [{ configMapRef: { name: 'm' } }] }) as object));
  t.end();
});

t.test('what is missing, in the words of the kubelet', t => {
  const from = (valueFrom: object) => envOf({ env: [{ name: 'A', valueFrom }] });
  t.equal(from({ configMapKeyRef: { name: 'x', key: 'a' } }), 'configmap "x" not found');
  t.equal(from({ secretKeyRef: { name: 'x', key: 'a' } }), 'secret "x" not found');
  t.equal(from({ configMapKeyRef: { name: 'm', key: 'x' } }), "couldn't find key x in ConfigMap default/m");
  t.equal(from({ secretKeyRef: { name: 's', key: 'x' } }), "couldn't find key x in Secret default/s");
  t.equal(envOf({ envFrom: [{ configMapRef: { name: 'x' } }] }), 'configmap "x" not found');
  t.same(envOf({ envFrom: [{ secretRef: { name: 'x', optional: true } }] }), {});
  t.end();
});

t.test('fields of the pod', t => {
  const paths = [
    'metadata.name',
    'metadata.namespace',
    'metadata.uid',
    "metadata.labels['a/b']",
    "metadata.annotations['none']",
    'spec.nodeName',
    'spec.serviceAccountName',
    'status.hostIP',
    'status.podIP',
    'status.podIPs',
  ];
  const env = paths.map((fieldPath, i) => ({ name: `F${i}`, valueFrom: { fieldRef: { fieldPath } } }));
  const pod = podOf({ containers: [{ name: 'c', env }] }, { uid: 'u', labels: { 'a/b': 'l' } });
  t.same(Object.values(envOf({}, pod)), [
    'p',
    'default',
    'u',
    'l',
    '',
    'node',
    'default',
    '192.168.0.1',
    '10.0.0.2',
    '10.0.0.2,fd00::2',
  ]);
  for (const fieldPath of ['constructor', '__proto__', 'spec.x'])
    t.match(envOf({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath } } }] }), 'unsupported fieldPath');
  t.end();
});
