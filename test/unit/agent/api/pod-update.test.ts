import t from 'tap';
import { updatePod } from '../../../../src/agent/api/pod-update.ts';
import { ApiError } from '../../../../src/agent/api-error.ts';
import type { ApiObject } from '../../../../src/agent/objects.ts';
import { setDefaults } from '../../../../src/kube/defaults.ts';
import type { Pod, PodSpec } from '../../../../src/kube/types.generated.ts';

const LOST = { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' };
const SPEC: PodSpec = {
  containers: [
    { name: 'a', image: 'i:1', imagePullPolicy: 'IfNotPresent' },
    { name: 'b', image: 'j:1' },
  ],
  initContainers: [{ name: 'first', image: 'k:1' }],
  activeDeadlineSeconds: 60,
  nodeName: 'node',
  tolerations: [{ ...LOST, tolerationSeconds: 300 }],
};

const podOf = (spec: object): ApiObject =>
  setDefaults({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'default' },
    spec: { ...SPEC, ...spec },
  } as Pod) as unknown as ApiObject;

/** The message, or what became of the spec. */
function update(change: object, before: object = {}): string | PodSpec {
  try {
    return updatePod(podOf({ ...before, ...change }), podOf(before)).spec as PodSpec;
  } catch (error) {
    if (error instanceof ApiError) return error.status.message ?? '';
    throw error;
  }
}

const containers = (change: object) => ({
  containers: [{ ...SPEC.containers[0], ...change }, SPEC.containers[1]],
});
const MUTABLE =
  'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\nchanged: ';

t.test('what may change of a pod', t => {
  const cases: Readonly<Record<string, readonly [change: object, before?: object]>> = {
    nothing: [{}],
    image: [containers({ image: 'x:2' })],
    'image of an init container': [{ initContainers: [{ name: 'first', image: 'x:2' }] }],
    'a shorter deadline': [{ activeDeadlineSeconds: 1 }],
    'a deadline where there was none': [{ activeDeadlineSeconds: 5 }, { activeDeadlineSeconds: undefined }],
    'one more toleration': [{ tolerations: [...(SPEC.tolerations ?? []), { key: 'x', operator: 'Exists' }] }],
    'the time of a toleration': [{ tolerations: [{ ...LOST, tolerationSeconds: 5 }] }],
    // A manifest that is applied again does not have it.
    'what the server has filled in': [{ tolerations: undefined, nodeName: undefined }],
  };
  for (const [what, [change, before]] of Object.entries(cases)) {
    const spec = update(change, before);
    t.equal(typeof spec, 'object', `${what}: ${typeof spec === 'string' ? spec : ''}`);
  }
  t.match(update(containers({ image: 'x:2' })), { containers: [{ image: 'x:2' }, { image: 'j:1' }] });
  t.match(update({ tolerations: undefined, nodeName: undefined }), { nodeName: 'node', tolerations: [LOST] });
  t.end();
});

t.test('what may not, in the API server’s words', t => {
  const invalid = (text: string): string => `Pod "p" is invalid: ${text}`;
  const cases: Readonly<Record<string, readonly [change: object, message: string]>> = {
    command: [containers({ command: ['x'] }), `${MUTABLE}spec.containers`],
    'pull policy': [containers({ imagePullPolicy: 'Never' }), `${MUTABLE}spec.containers`],
    name: [containers({ name: 'c' }), `${MUTABLE}spec.containers`],
    'several fields': [{ hostNetwork: true, nodeName: 'other' }, `${MUTABLE}spec.nodeName, spec.hostNetwork`],
    'grace period': [{ terminationGracePeriodSeconds: 1 }, `${MUTABLE}spec.terminationGracePeriodSeconds`],
    'one less': [
      { containers: SPEC.containers.slice(1) },
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ],
    'init containers': [
      { initContainers: [] },
      'spec.initContainers: Forbidden: pod updates may not add or remove containers',
    ],
    'no image': [containers({ image: '' }), 'spec.containers[0].image: Required value'],
    'an image with a space': [
      containers({ image: 'i:1 ' }),
      'spec.containers[0].image: Invalid value: "i:1 ": must not have leading or trailing whitespace',
    ],
    'a longer deadline': [
      { activeDeadlineSeconds: 61 },
      'spec.activeDeadlineSeconds: Invalid value: 61: must be less than or equal to previous value',
    ],
    'no deadline': [
      { activeDeadlineSeconds: undefined },
      'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value',
    ],
    'deadline 0': [
      { activeDeadlineSeconds: 0 },
      'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
    ],
    tolerations: [
      { tolerations: [{ ...LOST, effect: 'NoSchedule' }] },
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ],
  };
  for (const [what, [change, message]] of Object.entries(cases))
    t.equal(update(change), invalid(message), what);
  t.match(
    update({ ...containers({ image: '' }), activeDeadlineSeconds: 61, hostPID: true }),
    /^Pod "p" is invalid: \[spec\.containers\[0\]\.image: Required value, spec\.activeDeadlineSeconds: .*, spec: Forbidden: /s,
    'all at once',
  );
  t.end();
});
