import t from 'tap';
import { mergePatch } from '../../../../src/agent/api/patch/merge-patch.ts';
import { strategicMerge } from '../../../../src/agent/api/patch/strategic-merge.ts';
import { fieldSelector, labelSelector } from '../../../../src/agent/api/selectors.ts';
import { ApiError } from '../../../../src/agent/api-error.ts';
import type { ApiObject } from '../../../../src/agent/objects.ts';

/** What is thrown, in words. */
function refusal(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof ApiError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'nothing is thrown';
}

t.test('a merge patch: RFC 7396, appendix A', t => {
  const cases: readonly (readonly [target: unknown, patch: unknown, result: unknown])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of cases) t.strictSame(mergePatch(target, patch), result);
  t.end();
});

const spec = (containers: readonly object[], more: object = {}) => ({ containers, ...more });
const merge = (target: object, patch: object): unknown => strategicMerge(target, patch, 'PodSpec');

t.test('a strategic merge patch: lists merge by their keys', t => {
  const two = spec([
    { name: 'a', image: 'a1', env: [{ name: 'X', value: '1' }] },
    { name: 'b', image: 'b1' },
  ]);
  t.strictSame(
    merge(two, { containers: [{ name: 'a', image: 'a2', env: [{ name: 'Y', value: '2' }] }] }),
    spec([
      {
        name: 'a',
        image: 'a2',
        env: [
          { name: 'X', value: '1' },
          { name: 'Y', value: '2' },
        ],
      },
      { name: 'b', image: 'b1' },
    ]),
  );
  t.strictSame(
    merge(two, { containers: [{ name: 'a', $patch: 'delete' }] }),
    spec([{ name: 'b', image: 'b1' }]),
  );
  t.strictSame(merge(two, { containers: [{ $patch: 'replace' }, { name: 'c' }] }), spec([{ name: 'c' }]));
  t.strictSame(
    merge(two, {
      $setElementOrder: 1,
      '$setElementOrder/containers': [{ name: 'c' }, { name: 'b' }, { name: 'a' }],
      containers: [{ name: 'c' }],
    }),
    spec([
      { name: 'c' },
      { name: 'b', image: 'b1' },
      { name: 'a', image: 'a1', env: [{ name: 'X', value: '1' }] },
    ]),
    'in the order of the patch',
  );
  t.strictSame(
    merge(spec([], { tolerations: [{ key: 'a' }] }), { tolerations: [{ key: 'b' }] }),
    spec([], { tolerations: [{ key: 'b' }] }),
    'other lists are replaced',
  );
  t.match(
    refusal(() => merge(two, { containers: [{ image: 'x' }] })),
    /^400 map: .* does not contain declared merge key: name$/,
  );
  t.end();
});

t.test('a strategic merge patch: directives', t => {
  t.strictSame(
    strategicMerge({ finalizers: ['a', 'b'] }, { finalizers: ['c', 'a'] }, 'ObjectMeta'),
    { finalizers: ['a', 'b', 'c'] },
    'a set',
  );
  t.strictSame(
    strategicMerge(
      { finalizers: ['a', 'b'] },
      { '$deleteFromPrimitiveList/finalizers': ['a'] },
      'ObjectMeta',
    ),
    { finalizers: ['b'] },
  );
  t.strictSame(
    merge(spec([], { volumes: [{ name: 'v', emptyDir: {} }] }), {
      volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }],
    }),
    spec([], { volumes: [{ name: 'v', hostPath: { path: '/x' } }] }),
    'a volume has one source',
  );
  t.strictSame(strategicMerge({ a: 1, b: 2 }, { $patch: 'replace', c: 3 }, undefined), { c: 3 });
  t.strictSame(strategicMerge({ m: { a: '1', b: '2' } }, { m: { a: null } }, undefined), { m: { b: '2' } });
  t.equal(
    refusal(() => strategicMerge({}, { $patch: 'explode' }, undefined)),
    '400 Unknown patch type: explode',
  );
  t.strictSame(
    strategicMerge({}, JSON.parse('{"__proto__": {"x": 1}}'), undefined),
    JSON.parse('{"__proto__": {"x": 1}}'),
    'a key as any other',
  );
  t.end();
});

const object = (labels: Record<string, string>, more: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', namespace: 'n', labels },
  ...more,
});

t.test('label selectors', t => {
  const cases: readonly (readonly [selector: string, labels: Record<string, string>, fits: boolean])[] = [
    ['', {}, true],
    ['a=1', { a: '1' }, true],
    ['a==1,b!=2', { a: '1' }, true],
    ['a!=1', { a: '1' }, false],
    ['a in (1, 2)', { a: '2' }, true],
    ['a notin (1,2)', { b: '2' }, true],
    ['a', { a: '' }, true],
    ['!a', { a: '' }, false],
    ['a=', { a: '' }, true],
    ['a>3', { a: '5' }, true],
    ['a<3', { a: 'x' }, false],
    ['example.org/a in (1),b', { 'example.org/a': '1', b: '' }, true],
    ['constructor', {}, false],
  ];
  for (const [selector, labels, fits] of cases)
    t.equal(labelSelector(selector)(object(labels)), fits, selector);
  for (const wrong of ['a in 1', '=1', 'a b', 'a=b=c', 'a=$', 'a>x', 'a,,b', '/a'])
    t.match(
      refusal(() => labelSelector(wrong)),
      /^400 /,
      wrong,
    );
  t.end();
});

t.test('field selectors', t => {
  const pod = object({}, { spec: { nodeName: 'vm' }, status: { phase: 'Running' } });
  const fits = (selector: string): boolean => fieldSelector('Pod', selector)(pod);
  t.ok(fits('metadata.name=a,metadata.namespace==n,spec.nodeName=vm,status.phase!=Failed'));
  t.ok(fits('spec.hostNetwork=false'));
  t.notOk(fits('status.podIP=10.0.0.1'));
  const event = {
    ...object({}),
    kind: 'Event',
    involvedObject: { name: 'p', uid: 'u' },
    source: { component: 'kubelet' },
  };
  t.ok(fieldSelector('Event', 'involvedObject.uid=u,source=kubelet')(event));
  t.ok(fieldSelector('Event', 'regarding.name=p')(event), 'as events.k8s.io calls it');
  t.equal(
    refusal(() => fits('spec.containers=x')),
    '400 field label not supported: spec.containers',
  );
  t.match(
    refusal(() => fits('metadata.name')),
    /^400 invalid selector/,
  );
  t.end();
});
