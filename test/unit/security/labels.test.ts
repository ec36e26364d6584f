import t from 'tap';
import type { Container, PodSpec } from '../../../src/kube/types.generated.ts';
import { DEFAULT_ROOTS, PodPaths } from '../../../src/oci/pod-paths.ts';
import { compileStages } from '../../../src/pipeline.ts';
import { disassemble } from '../../../src/program/disassemble.ts';
import { determineLabels, type ModuleFacts, unenforceableAppArmor } from '../../../src/security/labels.ts';
import { rejectedByNode } from '../../../src/security/node-admission.ts';
import { machineOf } from '../../cases/machine.ts';
import { podWith } from '../kube/pods.ts';

const OFF: ModuleFacts = { appArmor: false, seLinux: false, appArmorProfiles: [] };
const ON: ModuleFacts = {
  appArmor: true,
  seLinux: true,
  appArmorProfiles: ['cri-containerd.apparmor.d', 'mine'],
};
const annotated = (value: string) => ({
  annotations: { 'container.apparmor.security.beta.kubernetes.io/c': value },
});
const labelsOf = (
  container: Partial<Container>,
  spec: Partial<PodSpec>,
  modules: ModuleFacts,
  metadata = {},
) => {
  const pod = podWith(container, spec);
  const [first = { name: '' }] = pod.spec?.containers ?? [];
  return determineLabels({ ...pod, metadata: { ...pod.metadata, ...metadata } }, first, modules);
};
const profile = (type: string, localhostProfile?: string) => ({
  appArmorProfile: { type, ...(localhostProfile === undefined ? {} : { localhostProfile }) },
});

t.test('AppArmor: the container’s field, its annotation, the pod’s field', t => {
  const name = (...args: Parameters<typeof labelsOf>) => {
    const labels = labelsOf(...args);
    return 'error' in labels ? labels.error : labels.appArmorProfile;
  };
  const secure = (securityContext: object) => ({ securityContext });
  for (const [actual, expected] of [
    [name({}, {}, ON), undefined],
    [name(secure(profile('RuntimeDefault')), {}, ON), 'cri-containerd.apparmor.d'],
    [name({}, secure(profile('RuntimeDefault')), ON), 'cri-containerd.apparmor.d'],
    [name(secure(profile('Localhost', 'mine')), secure(profile('RuntimeDefault')), ON), 'mine'],
    [name({}, secure(profile('RuntimeDefault')), ON, annotated('localhost/mine')), 'mine'],
    [name({}, secure(profile('RuntimeDefault')), ON, annotated('unconfined')), undefined],
    [name(secure(profile('Unconfined')), {}, ON, annotated('runtime/default')), undefined],
    [name(secure(profile('Localhost', 'other')), {}, ON), 'apparmor profile not found other'],
    [name(secure({ ...profile('RuntimeDefault'), privileged: true }), {}, ON), undefined],
    [name(secure({ ...profile('Localhost', 'mine'), privileged: true }), {}, ON), 'mine'],
  ] as const)
    t.equal(actual, expected);
  t.end();
});

t.test('a pod that asks for AppArmor where there is none is rejected as a kubelet does', t => {
  const pod = podWith({}, { securityContext: profile('RuntimeDefault') });
  t.equal(unenforceableAppArmor(pod, OFF), 'Cannot enforce AppArmor: AppArmor is not enabled on the host');
  t.equal(unenforceableAppArmor(pod, ON), undefined);
  t.equal(unenforceableAppArmor(podWith({}, { securityContext: profile('Unconfined') }), OFF), undefined);
  t.same(rejectedByNode(pod, { allowedUnsafeSysctls: [], modules: OFF }), {
    reason: 'AppArmor',
    message: 'Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on the host',
  });
  t.end();
});

t.test('SELinux: a label for the process and one for its files; a warning where it is off', t => {
  const spec = { securityContext: { seLinuxOptions: { level: 's0:c1,c2' } } };
  t.match(labelsOf({}, spec, ON), {
    seLinux: {
      process: 'system_u:system_r:container_t:s0:c1,c2',
      mount: 'system_u:object_r:container_file_t:s0:c1,c2',
    },
    warnings: [],
  });
  const own = { securityContext: { seLinuxOptions: { user: 'u', role: 'r', type: 't' } } };
  t.match(labelsOf(own, spec, ON), { seLinux: { process: 'u:r:t:s0' } });
  t.match(labelsOf({}, spec, OFF), { seLinux: undefined, warnings: [/SELinux is off/] });
  t.match(labelsOf({}, {}, ON), { seLinux: undefined, warnings: [] });
  t.end();
});

t.test('labels are written through the runtime’s own procfs, before its fds are closed', t => {
  const { host, images: _, ...machine } = machineOf('x64');
  const pod = podWith(
    { command: ['sh'], securityContext: profile('Localhost', 'mine') },
    { securityContext: { seLinuxOptions: { level: 's0:c1,c2' } } },
  );
  const [container = { name: '' }] = pod.spec?.containers ?? [];
  const stages = compileStages({
    ...machine,
    pod,
    container,
    host: { ...host, modules: ON },
    image: {
      identity: { user: '', passwd: [], group: [] },
      defaults: { entrypoint: [], cmd: [], env: [], workingDir: '', volumes: [] },
      layers: ['layer'],
    },
    objects: { configMaps: [], secrets: [] },
    paths: new PodPaths(DEFAULT_ROOTS, 'uid'),
    volumes: new Map(),
    hostname: 'h',
    podIPs: [],
    attempt: 0,
    cgroupsPath: '/c',
    hostRoot: 0,
    terminal: false,
    stdin: 'null',
  });
  if ('error' in stages) throw new Error(stages.error);
  const listing = disassemble(stages.compiled.program);
  const at = (text: string): number => {
    t.ok(listing.includes(text), text);
    return listing.indexOf(text);
  };
  const appArmor = at('openat2(<procfs>, "thread-self/attr/apparmor/exec"');
  at('"exec mine", 9)');
  const seLinux = at('openat2(<procfs>, "thread-self/attr/exec"');
  at('"system_u:system_r:container_t:s0:c1,c2"');
  at('"context", "system_u:object_r:container_file_t:s0:c1,c2"');
  t.ok(appArmor < seLinux && seLinux < listing.lastIndexOf('close_range(3'));
  t.end();
});
