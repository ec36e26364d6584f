import t from 'tap';
import { formatFieldError } from '../../../src/kube/field-error.ts';
import {
  setSecretDefaults,
  validateClaim,
  validateConfigMap,
  validateConfigUpdate,
  validateSecret,
} from '../../../src/kube/validate-config.ts';

const metadata = { name: 'x' };

t.test('a ConfigMap', t => {
  const errors = (map: object) => validateConfigMap({ metadata, ...map }).map(formatFieldError);
  t.same(errors({ data: { 'a.b': 'x', _: '' }, binaryData: { c: 'AP8=', d: 'AP\n8=' } }), []);
  t.same(errors({ metadata: {} }), ['metadata.name: Required value: name or generateName is required']);
  t.match(errors({ data: { '../a': '' } }), [
    /^data\[\.\.\/a\]: Invalid value: "\.\.\/a": a valid config key /,
  ]);
  t.same(errors({ data: { a: '' }, binaryData: { a: '' } }), [
    'data[a]: Invalid value: "a": duplicate of key present in binaryData',
    'binaryData[a]: Invalid value: "a": duplicate of key present in data',
  ]);
  t.same(errors({ binaryData: { a: 'x!' } }), [
    'binaryData[a]: Invalid value: "<contents redacted>": illegal base64 data',
  ]);
  t.same(errors({ data: { a: 'x'.repeat(1 << 20) } }), []);
  t.same(errors({ data: { a: 'x'.repeat((1 << 20) + 1) } }), [
    ': Too long: may not be more than 1048576 bytes',
  ]);
  t.end();
});

t.test('a Secret: what is written as text is kept as bytes', t => {
  const secret = setSecretDefaults({ metadata, data: { a: 'b2xk', b: 'eA==' }, stringData: { a: 'nü' } });
  t.same(secret, { metadata, data: { a: 'bsO8', b: 'eA==' }, type: 'Opaque' });
  t.equal(setSecretDefaults({ stringData: { a: 'x'.repeat(1 << 20) } }).data?.a?.length, 1398104);
  const errors = (more: object) => validateSecret({ metadata, ...more }).map(formatFieldError);
  t.same(errors(secret), []);
  t.same(errors({ data: { a: 'not base64' } }), [
    'data[a]: Invalid value: "<contents redacted>": illegal base64 data',
  ]);
  t.same(errors({ type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }), ['data[tls.key]: Required value']);
  t.same(errors({ type: 'kubernetes.io/basic-auth' }), [
    'data[username]: Required value',
    'data[password]: Required value',
  ]);
  t.same(errors({ type: 'kubernetes.io/basic-auth', data: { password: '' } }), []);
  t.end();
});

t.test('what calls itself immutable stays as it is', t => {
  const errors = (before: object, after: object) => validateConfigUpdate(before, after).map(formatFieldError);
  t.same(errors({ data: { a: '1' } }, { data: { a: '2' }, immutable: true }), []);
  t.same(
    errors({ data: { a: '1', b: '2' }, immutable: true }, { data: { b: '2', a: '1' }, immutable: true }),
    [],
  );
  t.same(errors({ data: { a: '1' }, immutable: true }, { data: { a: '2' } }), [
    'immutable: Forbidden: field is immutable when `immutable` is set',
    'data: Forbidden: field is immutable when `immutable` is set',
  ]);
  t.same(errors({ type: 'Opaque' }, { type: 'x' }), ['type: Invalid value: "x": field is immutable']);
  t.end();
});

t.test('a claim', t => {
  const errors = (spec: object) => validateClaim({ metadata, spec }).map(formatFieldError);
  const good = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  t.same(errors(good), []);
  t.same(errors({}), [
    'spec.accessModes: Required value: at least 1 access mode is required',
    'spec.resources[storage]: Required value',
  ]);
  t.same(errors({ ...good, accessModes: ['ReadWriteOncePod', 'RWO'] }), [
    'spec.accessModes: Unsupported value: "RWO": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
    'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
  ]);
  t.same(errors({ ...good, resources: { requests: { storage: '0' } }, volumeMode: 'File' }), [
    'spec.resources[storage]: Invalid value: "0": must be greater than zero',
    'spec.volumeMode: Unsupported value: "File": supported values: "Block", "Filesystem"',
  ]);
  t.end();
});
