import t from 'tap';
import { acceptPod } from '../../../src/admission/accept.ts';
import { loadManifest } from '../../../src/kube/manifest.ts';
import { HEAD, load, mistakesOf, placesOf } from './pods.ts';

t.test('documents of one file: pods, their data, and the rest', t => {
  const manifest = load(`${HEAD}---
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
data: {a: b}
---
# nothing but a comment
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {a: Yg==}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r}
rules: [{verbs: [use]}]
`);
  t.same(
    manifest.pods.map(({ pod }) => pod.metadata?.name),
    ['p'],
  );
  t.same(
    manifest.configMaps.map(({ data }) => data),
    [{ a: 'b' }],
  );
  t.same(
    manifest.secrets.map(({ data }) => data),
    [{ a: 'Yg==' }],
  );
  t.same(
    manifest.others.map(({ kind }) => kind),
    ['Role'],
  );
  t.same(manifest.warnings, []);
  t.end();
});

t.test('JSON is read as YAML is', t => {
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec: { containers: [] } };
  t.same(load(JSON.stringify(pod)).pods[0]?.pod, pod);
  t.same(load(JSON.stringify(pod, null, '\t')).pods[0]?.pod, pod);
  t.end();
});

t.test('lists are flattened, lists in lists too', t => {
  const item = (name: string) => `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}}`;
  const inner = `{apiVersion: v1, kind: PodList, items: [${item('b')}]}`;
  const manifest = load(`{apiVersion: v1, kind: List, items: [${item('a')}, ${inner}, null]}`);
  t.same(
    manifest.pods.map(({ pod }) => pod.metadata?.name),
    ['a', 'b'],
  );
  t.end();
});

t.test('items of a PodList need not say that they are Pods', t => {
  const manifest = load('{apiVersion: v1, kind: PodList, items: [{metadata: {name: a}}]}');
  t.same(
    manifest.pods.map(({ pod }) => pod.metadata?.name),
    ['a'],
  );
  t.end();
});

const TEMPLATE = 'template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}';
const WORKLOADS: readonly (readonly [apiVersion: string, kind: string, spec: string])[] = [
  ['apps/v1', 'Deployment', `{replicas: 3, selector: {}, ${TEMPLATE}}`],
  ['apps/v1', 'StatefulSet', `{serviceName: s, selector: {}, ${TEMPLATE}}`],
  ['apps/v1', 'DaemonSet', `{selector: {}, ${TEMPLATE}}`],
  ['apps/v1', 'ReplicaSet', `{selector: {}, ${TEMPLATE}}`],
  ['v1', 'ReplicationController', `{selector: {app: web}, ${TEMPLATE}}`],
  ['batch/v1', 'Job', `{backoffLimit: 1, ${TEMPLATE}}`],
  ['batch/v1', 'CronJob', `{schedule: '* * * * *', jobTemplate: {spec: {${TEMPLATE}}}}`],
];

for (const [apiVersion, kind, spec] of WORKLOADS) {
  t.test(`${kind}: its template runs once, with a warning`, t => {
    const text = `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: web, namespace: ns}\nspec: ${spec}\n`;
    const { pods, others, warnings } = load(text);
    t.equal(pods.length, 1);
    t.same(pods[0]?.pod.metadata, { name: 'web', namespace: 'ns', labels: { app: 'web' } });
    t.same(pods[0]?.owner, { kind, name: 'web' });
    t.same(others, []);
    t.same(warnings, []);
    const [pod] = pods;
    t.match(pod && acceptPod(pod, 'uid').warnings[0], `${kind} "web": its pod template runs once; `);
    t.equal(
      pods[0]?.source.locate('spec.containers[0].image').line,
      4,
      'fields are found below the template',
    );
    t.end();
  });
}

t.test('two pods of one name are a mistake, in two namespaces they are not', t => {
  const other = HEAD.replace('{name: p}', '{name: p, namespace: other}');
  t.equal(load(`${HEAD}---\n${other}`).pods.length, 2);
  const [mistake] = mistakesOf(`${HEAD}---\n${HEAD}`);
  t.equal(mistake?.message, 'pods "p" already exists');
  t.match(mistake?.hint, 'pod.yaml:3');
  const twice = [
    { file: 'a.yaml', text: HEAD },
    { file: 'b.yaml', text: HEAD },
  ];
  t.throws(() => loadManifest(twice), { message: /^b\.yaml:3:.*already exists/ });
  t.end();
});

t.test('pods with generateName are never the same', t => {
  const text = HEAD.replace('name: p', 'generateName: p-');
  t.equal(load(`${text}---\n${text}`).pods.length, 2);
  t.end();
});

t.test('unknown kinds and versions', t => {
  t.same(placesOf('kind: Pod\n'), ['1:1: apiVersion: Required value']);
  t.same(placesOf('apiVersion: v1\n'), ['1:1: kind: Required value']);
  t.same(placesOf('a string'), ['1:1: expected a Kubernetes object']);
  const [mistake] = mistakesOf('apiVersion: v1\nkind: Deployment\n');
  t.equal(mistake?.message, 'no matches for kind "Deployment" in version "v1"');
  t.equal(mistake?.hint, 'did you mean "apps/v1/Deployment"?');
  for (const kind of ['__proto__', 'constructor', 'toString'])
    t.match(placesOf(`apiVersion: v1\nkind: ${kind}\n`)[0], 'no matches for kind');
  t.end();
});

t.test('PodSecurityPolicy of both groups', t => {
  for (const group of ['policy/v1beta1', 'extensions/v1beta1']) {
    const { others } = load(
      `apiVersion: ${group}\nkind: PodSecurityPolicy\nmetadata: {name: a}\nspec: {privileged: false}\n`,
    );
    t.equal(others[0]?.apiVersion, group);
  }
  t.end();
});

t.test('locate finds each field, or the nearest thing above it', t => {
  const { source } = load(HEAD).pods[0] ?? {};
  t.same(source?.locate('spec.containers[0].image'), { line: 7, column: 5 });
  t.same(source?.locate('spec.containers[0]'), { line: 6, column: 5 });
  t.same(source?.locate('spec.containers[0].securityContext.runAsUser'), { line: 6, column: 5 });
  t.same(source?.locate('spec.hostPID'), { line: 4, column: 1 });
  t.same(source?.locate(''), { line: 1, column: 1 });
  t.end();
});
