import t from 'tap';
import type { Volume } from '../../../src/kube/types.generated.ts';
import { volumeFiles } from '../../../src/kube/volume-files.ts';
import { podOf } from './pods.ts';

const OBJECTS = {
  configMaps: [{ metadata: { name: 'm' }, data: { b: 'text', a: 'ä' }, binaryData: { c: 'AP8=' } }],
  secrets: [{ metadata: { name: 's' }, data: { a: 'b2xk', b: 'eA==' }, stringData: { a: 'new' } }],
};

const filesOf = (volume: Omit<Volume, 'name'>) => {
  const result = volumeFiles(podOf(), { name: 'v', ...volume }, OBJECTS);
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

t.test('a pod reads the objects of its own namespace only', t => {
  const result = volumeFiles(
    podOf({}, { namespace: 'other' }),
    { name: 'v', secret: { secretName: 's' } },
    OBJECTS,
  );
  t.same(result, { error: 'secret "s" not found' });
  t.end();
});
