import t from 'tap';
import { acceptPod } from '../../src/admission/accept.ts';
import type { ConfigMap, Container, PodSpec } from '../../src/kube/types.generated.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { NO_UID, stageAll } from '../../src/runtime/stages.ts';
import { machineOf } from '../cases/machine.ts';
import { podWith } from './kube/pods.ts';

const NUL: ConfigMap = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'm' },
  data: { key: 'a\0b' },
};

/** Why the container `c` would not be created, or undefined. */
function failureOf(container: Partial<Container>, spec: Partial<PodSpec> = {}): string | undefined {
  const pod = podWith({ image: 'localhost/busybox', ...container }, spec);
  const source = { file: 'pod.yaml', locate: () => ({ line: 1, column: 1 }) };
  const accepted = acceptPod({ pod, source }, NO_UID).pod;
  const objects = { configMaps: [NUL], secrets: [] };
  const [staged] = stageAll([accepted], objects, DEFAULT_ROOTS, machineOf('x64'));
  return staged !== undefined && 'error' in staged.stages
    ? `${staged.stages.reason}: ${staged.stages.error}`
    : undefined;
}

t.test('a container that could only be started with something else than was asked for is not created', t => {
  const volumes = [{ name: 'v', emptyDir: {} }];
  const mount = { name: 'v', mountPath: '/v' };
  const nul = 'CreateContainerError: "a\\u0000b" contains a NUL byte';
  const cases: readonly (readonly [container: Partial<Container>, message: string])[] = [
    [{ command: ['echo', 'a\0b'] }, nul],
    [{ args: ['a\0b'] }, nul],
    [{ env: [{ name: 'X', value: 'a\0b' }] }, 'CreateContainerError: "X=a\\u0000b" contains a NUL byte'],
    [
      { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'm', key: 'key' } } }] },
      'CreateContainerError: "X=a\\u0000b" contains a NUL byte',
    ],
    [{ workingDir: '/a\0b' }, 'CreateContainerError: "/a\\u0000b" contains a NUL byte'],
    [
      { workingDir: 'relative' },
      'CreateContainerError: working directory "relative" is not an absolute path',
    ],
    [
      { volumeMounts: [{ ...mount, mountPath: '/a\0b' }] },
      'CreateContainerError: "/a\\u0000b" contains a NUL byte',
    ],
    [{ volumeMounts: [{ ...mount, subPath: 'a\0b' }] }, nul],
  ];
  for (const [container, message] of cases)
    t.equal(failureOf(container, { volumes }), message, JSON.stringify(container));
  t.equal(failureOf({ args: ['a\\0b', '\\u0000'], volumeMounts: [mount] }, { volumes }), undefined);
  t.end();
});
