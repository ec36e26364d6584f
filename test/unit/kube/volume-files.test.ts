import t from 'tap';
import type { Volume } from '../../../src/kube/types.generated.ts';
import { volumeFiles } from '../../../src/kube/volume-files.ts';
import { podOf } from './pods.ts';

const CAPACITY = { cpus: 4, memory: 1 << 30 };
const OBJECTS = {
  configMaps: [{ metadata: { name: 'm' }, data: { b: 'text', a: 'ä' }, binaryData: { c: 'AP8=' } }],
  secrets: [{ metadata: { name: 's' }, data: { a: 'b2xk', b: 'eA==' }, stringData: { a: 'new' } }],
};

const filesOf = (volume: Omit<Volume, 'name'>) => {
  const result = volumeFiles(podOf(), { name: 'v', ...volume }, OBJECTS, CAPACITY);
  if ('error' in result) return result.error;
  return result.files.map(({ path, mode, data }) => [path, mode, Buffer.from(data).toString('hex')] as const);
};

t.test('every key is a file', t => {
  t.same(filesOf({ configMap: { name: 'm' } }), [
    ['a', 0o644, 'c3a4'],
    ['b', 0o644, '74657874'],
    ['c', 0o644, '00ff'],
  ]);
  t.end();
});

t.test('stringData goes over data', t => {
  t.same(filesOf({ secret: { secretName: 's', defaultMode: 0o400 } }), [
    ['a', 0o400, '6e6577'],
    ['b', 0o400, '78'],
  ]);
  t.end();
});

t.test('items choose, name and give modes', t => {
  const items = [
    { key: 'b', path: 'dir/x', mode: 0o600 },
    { key: 'b', path: 'y' },
  ];
  t.same(filesOf({ configMap: { name: 'm', items, defaultMode: 0 } }), [
    ['dir/x', 0o600, '74657874'],
    ['y', 0, '74657874'],
  ]);
  t.end();
});

t.test('what is missing, in the words of the kubelet', t => {
  t.equal(filesOf({ configMap: { name: 'x' } }), 'configmap "x" not found');
  t.equal(filesOf({ secret: { secretName: 'x' } }), 'secret "x" not found');
  const items = [{ key: 'x', path: 'x' }];
  t.equal(filesOf({ configMap: { name: 'm', items } }), 'configmap references non-existent config key: x');
  t.equal(filesOf({ secret: { secretName: 's', items } }), 'references non-existent secret key: x');
  t.same(filesOf({ configMap: { name: 'x', optional: true } }), []);
  t.same(filesOf({ secret: { secretName: 's', items, optional: true } }), []);
  t.end();
});

const NAMED = podOf(
  {
    containers: [
      { name: 'c', image: 'i', resources: { limits: { memory: '32Mi' }, requests: { cpu: '1500m' } } },
    ],
  },
  {
    uid: 'u',
    labels: { b: 'two "words"', a: 'one' },
    annotations: { 'example.org/x': 'line\nnext\u0007\u00a0ä' },
  },
);

const textsOf = (volume: Omit<Volume, 'name'>) => {
  const result = volumeFiles(NAMED, { name: 'v', ...volume }, OBJECTS, CAPACITY);
  if ('error' in result) return result.error;
  return result.files.map(({ path, mode, data }) => [path, mode.toString(8), Buffer.from(data).toString()]);
};
const field = (path: string, fieldPath: string) => ({ path, fieldRef: { fieldPath } });
const resource = (path: string, name: string, divisor?: string) => ({
  path,
  resourceFieldRef: { containerName: 'c', resource: name, ...(divisor === undefined ? {} : { divisor }) },
});

t.test('downwardAPI: fields as text, maps as quoted lines, resources in units', t => {
  const items = [
    field('name', 'metadata.name'),
    field('uid', 'metadata.uid'),
    { ...field('all/labels', 'metadata.labels'), mode: 0o400 },
    field('all/annotations', 'metadata.annotations'),
    field('one', "metadata.labels['a']"),
    field('annotation', "metadata.annotations['example.org/x']"),
    field('none', "metadata.labels['constructor']"),
    resource('memory', 'limits.memory', '1Mi'),
    resource('cpu', 'requests.cpu'),
    resource('machine', 'limits.cpu'),
  ];
  t.same(textsOf({ downwardAPI: { items, defaultMode: 0o600 } }), [
    ['name', '600', 'p'],
    ['uid', '600', 'u'],
    ['all/labels', '400', 'a="one"\nb="two \\"words\\""'],
    ['all/annotations', '600', 'example.org/x="line\\nnext\\a\\u00a0ä"'],
    ['one', '600', 'one'],
    ['annotation', '600', 'line\nnext\u0007\u00a0ä'],
    ['none', '600', ''],
    ['memory', '600', '32'],
    ['cpu', '600', '2'],
    ['machine', '600', '4'],
  ]);
  const nobody = { path: 'x', resourceFieldRef: { containerName: 'no', resource: 'limits.cpu' } };
  t.equal(textsOf({ downwardAPI: { items: [nobody] } }), 'container no not found');
  t.end();
});

t.test('projected: all sources in one directory, the last of one path wins', t => {
  const sources = [
    { configMap: { name: 'm' } },
    { secret: { name: 's', items: [{ key: 'b', path: './sub//b', mode: 0o400 }] } },
    { downwardAPI: { items: [field('a', 'metadata.name')] } },
  ];
  t.same(textsOf({ projected: { sources, defaultMode: 0o440 } }), [
    ['a', '440', 'p'],
    ['b', '440', 'text'],
    ['c', '440', '\0\ufffd'],
    ['sub/b', '400', 'x'],
  ]);
  t.same(textsOf({ projected: {} }), []);
  const missing = [
    { configMap: { name: 'x' } },
    { secret: { name: 'y', optional: true } },
    { secret: { name: 'z' } },
  ];
  t.equal(textsOf({ projected: { sources: missing } }), '[configmap "x" not found, secret "z" not found]');
  t.equal(textsOf({ projected: { sources: missing.slice(0, 2) } }), 'configmap "x" not found');
  t.end();
});

t.test('a pod reads the objects of its own namespace only', t => {
  const result = volumeFiles(
    podOf({}, { namespace: 'other' }),
    { name: 'v', secret: { secretName: 's' } },
    OBJECTS,
    CAPACITY,
  );
  t.same(result, { error: 'secret "s" not found' });
  t.end();
});
