import t from 'tap';
import { strategicMerge } from '../../../../src/agent/api/patch/strategic-merge.ts';
import { lastApplied, withLastApplied } from '../../../../src/agent/apply/last-applied.ts';
import { threeWayPatch } from '../../../../src/agent/apply/three-way.ts';
import type { ApiObject } from '../../../../src/agent/objects.ts';

const POD = { apiVersion: 'v1', kind: 'Pod' };

interface Case {
  /** Of the spec, unless a part of the whole object is meant. */
  readonly original: object;
  readonly modified: object;
  readonly current: object;
  readonly patch: object;
  /** What the server then has. */
  readonly result: object;
}

const container = (name: string, more: object = {}): object => ({ name, image: 'i', ...more });

const CASES: Readonly<Record<string, Case>> = {
  'nothing to do': {
    original: { nodeName: 'a' },
    modified: { nodeName: 'a' },
    current: { nodeName: 'a', dnsPolicy: 'ClusterFirst' },
    patch: {},
    result: { nodeName: 'a', dnsPolicy: 'ClusterFirst' },
  },
  'a new value': {
    original: { activeDeadlineSeconds: 1 },
    modified: { activeDeadlineSeconds: 2 },
    current: { activeDeadlineSeconds: 1, dnsPolicy: 'ClusterFirst' },
    patch: { activeDeadlineSeconds: 2 },
    result: { activeDeadlineSeconds: 2, dnsPolicy: 'ClusterFirst' },
  },
  'what others have changed becomes what the file says': {
    original: { activeDeadlineSeconds: 1 },
    modified: { activeDeadlineSeconds: 1 },
    current: { activeDeadlineSeconds: 9 },
    patch: { activeDeadlineSeconds: 1 },
    result: { activeDeadlineSeconds: 1 },
  },
  'what the file has no more goes, what it never had stays': {
    original: { activeDeadlineSeconds: 1, hostname: 'gone before' },
    modified: {},
    current: { activeDeadlineSeconds: 1, nodeName: 'by another' },
    patch: { activeDeadlineSeconds: null },
    result: { nodeName: 'by another' },
  },
  'maps merge': {
    original: { nodeSelector: { a: '1', b: '2' } },
    modified: { nodeSelector: { a: '9', c: '3' } },
    current: { nodeSelector: { a: '1', b: '2', d: '4' } },
    patch: { nodeSelector: { b: null, a: '9', c: '3' } },
    result: { nodeSelector: { a: '9', c: '3', d: '4' } },
  },
  'containers by name': {
    original: { containers: [container('a'), container('b')] },
    modified: { containers: [container('c'), container('a', { image: 'j' })] },
    current: {
      containers: [container('a', { imagePullPolicy: 'Always' }), container('b'), container('injected')],
    },
    patch: {
      '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }],
      containers: [container('c'), { name: 'a', image: 'j' }, { $patch: 'delete', name: 'b' }],
    },
    result: {
      containers: [
        container('c'),
        container('a', { image: 'j', imagePullPolicy: 'Always' }),
        container('injected'),
      ],
    },
  },
  'lists in lists': {
    original: { containers: [container('a', { env: [{ name: 'X', value: '1' }] })] },
    modified: { containers: [container('a', { env: [{ name: 'Y', value: '2' }] })] },
    current: {
      containers: [
        container('a', {
          env: [
            { name: 'X', value: '1' },
            { name: 'Z', value: '3' },
          ],
        }),
      ],
    },
    patch: {
      '$setElementOrder/containers': [{ name: 'a' }],
      containers: [
        {
          '$setElementOrder/env': [{ name: 'Y' }],
          env: [
            { name: 'Y', value: '2' },
            { $patch: 'delete', name: 'X' },
          ],
          name: 'a',
        },
      ],
    },
    result: {
      containers: [
        container('a', {
          env: [
            { name: 'Y', value: '2' },
            { name: 'Z', value: '3' },
          ],
        }),
      ],
    },
  },
  'lists without a key are replaced': {
    original: { containers: [container('a', { command: ['x'] })], tolerations: [{ key: 'a' }] },
    modified: { containers: [container('a', { command: ['y', 'z'] })], tolerations: [{ key: 'b' }] },
    current: { containers: [container('a', { command: ['x'] })], tolerations: [{ key: 'a' }, { key: 'c' }] },
    patch: {
      '$setElementOrder/containers': [{ name: 'a' }],
      containers: [{ name: 'a', command: ['y', 'z'] }],
      tolerations: [{ key: 'b' }],
    },
    result: { containers: [container('a', { command: ['y', 'z'] })], tolerations: [{ key: 'b' }] },
  },
  'a volume has one source': {
    original: { volumes: [{ name: 'v', emptyDir: {} }] },
    modified: { volumes: [{ name: 'v', configMap: { name: 'c' } }] },
    current: { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }] },
    patch: {
      '$setElementOrder/volumes': [{ name: 'v' }],
      volumes: [{ $retainKeys: ['configMap', 'name'], emptyDir: null, configMap: { name: 'c' }, name: 'v' }],
    },
    result: { volumes: [{ name: 'v', configMap: { name: 'c' } }] },
  },
};

t.test('a patch, and what the server makes of it', t => {
  for (const [what, { original, modified, current, patch, result }] of Object.entries(CASES)) {
    const whole = (spec: object): Record<string, unknown> => ({ ...POD, spec });
    const made = threeWayPatch(POD, {
      original: whole(original),
      modified: whole(modified),
      current: whole(current),
    });
    t.same(made, Object.keys(patch).length === 0 ? {} : { spec: patch }, what);
    t.same(strategicMerge(whole(current), made, 'Pod'), whole(result), `${what}: the result`);
    // Applied once more there is nothing left to do.
    const again = { original: whole(modified), modified: whole(modified), current: whole(result) };
    t.same(threeWayPatch(POD, again), {}, `${what}: again`);
  }
  t.end();
});

t.test('finalizers, objects of kinds without a schema, nulls', t => {
  const meta = (finalizers: readonly string[]): Record<string, unknown> => ({
    ...POD,
    metadata: { finalizers },
  });
  const versions = { original: meta(['a', 'b']), modified: meta(['b', 'c']), current: meta(['a', 'b', 'x']) };
  const patch = threeWayPatch(POD, versions);
  t.same(patch, { metadata: { finalizers: ['c'], '$deleteFromPrimitiveList/finalizers': ['a'] } });
  t.same(strategicMerge(versions.current, patch, 'Pod'), meta(['b', 'x', 'c']));
  const unknown = { apiVersion: 'example.org/v1', kind: 'Thing' };
  t.same(threeWayPatch(unknown, { original: {}, modified: { a: [1] }, current: { a: [2] } }), { a: [1] });
  t.same(threeWayPatch(POD, { original: {}, modified: { spec: null }, current: { spec: {} } }), {
    spec: null,
  });
  t.same(threeWayPatch(POD, { original: {}, modified: { spec: null }, current: {} }), {});
  t.end();
});

t.test('what was applied is kept in an annotation', t => {
  const object: ApiObject = {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { namespace: 'default', name: 'web', annotations: { b: '1' } },
    spec: { z: 1, a: [{ y: 1, x: 2 }] },
  };
  const applied = withLastApplied(object);
  t.same(applied.metadata.annotations, {
    b: '1',
    'kubectl.kubernetes.io/last-applied-configuration':
      '{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"b":"1"},"name":"web","namespace":"default"},"spec":{"a":[{"x":2,"y":1}],"z":1}}\n',
  });
  t.same(lastApplied(applied), object);
  t.same(withLastApplied(applied), applied, 'not that annotation itself');
  t.equal(lastApplied(object), undefined);
  for (const text of ['{', '1', 'null'])
    t.equal(
      lastApplied({
        ...object,
        metadata: { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': text } },
      }),
      undefined,
      text,
    );
  t.end();
});
