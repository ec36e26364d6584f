import t from 'tap';
import { ManifestError } from '../../../src/kube/source.ts';
import { HEAD, load, mistakesOf, placesOf } from './pods.ts';

/** Milliseconds that this process has computed: how busy the machine is does not matter. */
function computed(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

t.test('line ends of Windows, a byte order mark, tabs', t => {
  t.equal(load(HEAD.replaceAll('\n', '\r\n')).pods.length, 1);
  t.same(placesOf(`${HEAD}    foo: 1\n`.replaceAll('\n', '\r\n')), [
    '8:5: unknown field "spec.containers[0].foo"',
  ]);
  t.match(
    placesOf('apiVersion: v1\nkind: Pod\nmetadata:\n\tname: p\n')[0],
    '4:1: Tabs are not allowed as indentation',
  );
  t.end();
});

t.test('a byte order mark is not part of the file', t => {
  t.equal(load(`\uFEFF${HEAD}`).pods.length, 1);
  t.same(placesOf(`\uFEFFfoo: 1\n${HEAD}`), ['1:1: unknown field "foo"']);
  t.end();
});

t.test('syntax errors have a place, and hide nothing of other files', t => {
  const [mistake] = mistakesOf('apiVersion: v1\nkind: [Pod\n');
  t.equal(mistake?.file, 'pod.yaml');
  t.ok((mistake?.line ?? 0) >= 2);
  t.throws(() => load('a: b: c\n'), ManifestError);
  t.end();
});

t.test('a key that is given twice', t => {
  t.match(placesOf(`${HEAD}    image: j\n`)[0], /^8:5: /);
  t.match(placesOf('{"apiVersion": "v1", "kind": "Pod", "kind": "Pod"}')[0], /^1:37: /);
  t.end();
});

t.test('a key that is given twice, in the words of sigs.k8s.io/yaml', t => {
  t.same(placesOf(`${HEAD}    image: j\n`), ['8:5: key "image" already set in map']);
  t.end();
});

t.test('aliases', t => {
  const text =
    'apiVersion: v1\nkind: Pod\nmetadata: {name: &n p}\nspec: {containers: [{name: *n, image: *n}]}\n';
  t.same(load(text).pods[0]?.pod.spec?.containers, [{ name: 'p', image: 'p' }]);
  t.end();
});

t.test('merge keys: what stands in the mapping itself wins, and the first of several', t => {
  const text = `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - &a {name: a, image: i, tty: true}
  - {<<: *a, name: b}
  - {<<: [{image: j}, *a], name: c}
`;
  t.same(load(text).pods[0]?.pod.spec?.containers, [
    { name: 'a', image: 'i', tty: true },
    { name: 'b', image: 'i', tty: true },
    { name: 'c', image: 'j', tty: true },
  ]);
  t.end();
});

t.test('an alias of nothing, and one that contains itself', t => {
  t.same(placesOf(`${HEAD}    args: [*x]\n`), ["8:12: unknown anchor 'x' referenced"]);
  const cycles = [
    'apiVersion: v1\nkind: Pod\nmetadata: {managedFields: [{fieldsV1: &a {x: *a}}]}\n',
    'apiVersion: v1\nkind: Pod\nmetadata: &a\n  name: x\n  <<: *a\n',
    'apiVersion: v1\nkind: List\nitems: &a\n- {apiVersion: v1, kind: List, items: *a}\n',
  ];
  for (const text of cycles) t.match(placesOf(text)[0], "anchor 'a' value contains itself");
  t.end();
});

/** Nine levels of ten aliases each: a thousand million nodes. */
function laughs(): string {
  const names = [...'abcdefghij'];
  const lines = names.map(
    (name, i) => `      ${name}: &${name} [${Array(10).fill(i === 0 ? 'x' : `*${names[i - 1]}`)}]`,
  );
  return `apiVersion: v1\nkind: Pod\nmetadata:\n  managedFields:\n  - fieldsV1:\n${lines.join('\n')}\n`;
}

t.test('a small file that stands for an endless tree is refused soon', t => {
  const start = computed();
  t.match(placesOf(laughs())[0], 'the document expands to more than 200000 nodes');
  t.ok(computed() - start < 2000);
  t.end();
});

/** Files that make a naive reader slow or run out of stack; each must be read or refused within a second or two. */
const HOSTILE: Readonly<Record<string, string>> = {
  'nested flow lists': '['.repeat(20_000),
  'nested flow mappings': `a: ${'{a: '.repeat(20_000)}`,
  'nested block mappings': Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  'nested closed lists': `apiVersion: v1\nkind: Pod\nmetadata: {managedFields: [{fieldsV1: ${'['.repeat(500)}${']'.repeat(500)}}]}\n`,
  'unknown fields': `${HEAD}${Array.from({ length: 5000 }, (_, i) => `    field${i}: 1\n`).join('')}`,
  'a chain of lists': `apiVersion: v1\nkind: List\nitems:\n- &l0 {apiVersion: v1, kind: List, items: []}\n${Array.from({ length: 2000 }, (_, i) => `- &l${i + 1} {apiVersion: v1, kind: List, items: [*l${i}, *l${i}]}\n`).join('')}`,
  'a chain of values': `apiVersion: v1\nkind: Pod\nmetadata:\n  managedFields:\n  - fieldsV1:\n      a0: &a0 {}\n${Array.from({ length: 5000 }, (_, i) => `      a${i + 1}: &a${i + 1} {x: *a${i}}\n`).join('')}`,
};

for (const [name, text] of Object.entries(HOSTILE)) {
  t.test(`hostile: ${name}`, t => {
    const start = computed();
    try {
      load(text);
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      t.ok(error.errors.length > 0);
      t.notMatch(error.message, /call stack/, 'no words of the machine below');
      t.ok(error.message.length < 200_000, 'the message can be read');
    }
    t.ok(computed() - start < 3000, `${Math.round(computed() - start)} ms`);
    t.end();
  });
}

t.test('many aliases and many keys are read in a time that grows with the file', t => {
  const aliases = `${HEAD.replace('name: c', 'name: &n c')}    args:\n${'    - *n\n'.repeat(20_000)}`;
  const keys = Array.from({ length: 20_000 }, (_, i) => `  k${i}: v\n`).join('');
  const start = computed();
  t.equal(load(aliases).pods[0]?.pod.spec?.containers[0]?.args?.length, 20_000);
  const { configMaps } = load(`apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata:\n${keys}`);
  t.equal(Object.keys(configMaps[0]?.data ?? {}).length, 20_000);
  t.ok(computed() - start < 3000, `${Math.round(computed() - start)} ms`);
  t.end();
});

t.test('empty files and comments are no objects and no mistakes', t => {
  for (const text of ['', '\n', '---\n', '# a comment\n', '---\n---\n...\n', 'null\n'])
    t.equal(load(text).pods.length, 0);
  t.end();
});
