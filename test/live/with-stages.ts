import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { acceptPod } from '../../src/admission/accept.ts';
import { ImageStore } from '../../src/image/store.ts';
import { loadManifest } from '../../src/kube/manifest.ts';
import { makeFile } from '../../src/native/exact-mode.ts';
import { NO_CGROUPS, planCgroup } from '../../src/oci/cgroup-plan.ts';
import { podNames } from '../../src/oci/etc-files.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { type ContainerStages, compileStages } from '../../src/pipeline.ts';
import { Cleanup } from '../../src/runtime/cleanup.ts';
import { gatherHostFacts } from '../../src/runtime/host-facts.ts';
import { PodDirectory } from '../../src/runtime/pod-directory.ts';
import { createSandbox, type Sandbox } from '../../src/runtime/sandbox.ts';
import { pauseFilter, seccompSettings } from '../../src/runtime/seccomp.ts';
import { newUid } from '../../src/runtime/uid.ts';
import { prepareVolumes } from '../../src/runtime/volumes.ts';
import { probePod } from './harness.ts';

/** Makes a pod's sandbox for real, and gives the stages of its container. */
export async function withStages(
  spec: object,
  container: object,
  body: (stages: ContainerStages, sandbox: Sandbox) => void | Promise<void>,
): Promise<void> {
  const host = gatherHostFacts();
  const { seccomp } = seccompSettings(DEFAULT_ROOTS, {});
  const [loaded] = loadManifest([{ file: 'pod', text: JSON.stringify(probePod(spec, container)) }]).pods;
  if (loaded === undefined) throw new Error('no pod');
  const { pod } = acceptPod(loaded, newUid());
  const cleanup = new Cleanup();
  try {
    const { uid = '', name = '' } = pod.metadata ?? {};
    const directory = PodDirectory.create(DEFAULT_ROOTS, uid, 'default', name);
    cleanup.add('files', () => directory.remove());
    const { paths } = directory;
    const names = podNames(pod, host);
    if ('error' in names) throw new Error(names.error);
    const volumes = prepareVolumes(pod, { configMaps: [], secrets: [] }, paths, {
      capacity: host,
      images: new ImageStore(DEFAULT_ROOTS.state),
    });
    for (const file of ['hosts', 'hostname', 'resolv.conf'] as const) writeFileSync(paths.etcFile(file), '');
    const image = new ImageStore(DEFAULT_ROOTS.state).get('localhost/probe');
    const [first] = pod.spec?.containers ?? [];
    if (first === undefined || image === undefined) throw new Error('no container');
    const layer = `images/roots/${image.id}/rootfs`;
    const hostRoot = pod.spec?.hostUsers === false ? 0x70000000 : 0;
    const sandbox = await createSandbox(
      {
        pod,
        paths,
        nodename: names.nodename,
        layers: [layer],
        overlays: [],
        isWired: false,
        hostRoot,
        pause: {
          cgroup: planCgroup(NO_CGROUPS, '', {}),
          filter: () => pauseFilter(host.kernelRelease, seccomp),
        },
      },
      cleanup,
    );
    const stages = compileStages({
      pod,
      container: first,
      image: {
        identity: { user: '', ...image.users },
        defaults: { entrypoint: ['/probe'], cmd: ['exit', '0'], env: [], workingDir: '', volumes: [] },
        layers: [layer],
      },
      objects: { configMaps: [], secrets: [] },
      host: { ...host, cgroups: NO_CGROUPS },
      paths,
      volumes,
      hostname: name,
      podIPs: ['127.0.0.1'],
      attempt: 0,
      cgroupsPath: '/none',
      hostRoot,
      terminal: false,
      stdin: 'null',
      seccomp,
      arch: process.arch as 'x64' | 'arm64',
    });
    if ('error' in stages) throw new Error(stages.error);
    for (const part of ['upper', 'work'] as const)
      mkdirSync(paths.layer('probe', 0, part), { recursive: true });
    chownSync(paths.layer('probe', 0, 'upper'), hostRoot, hostRoot);
    makeFile(paths.terminationLog('probe', 0), 0o666);
    await body(stages, sandbox);
    if (sandbox.pause !== undefined) process.kill(sandbox.pause.pid, 'SIGKILL');
  } finally {
    await cleanup.run();
  }
}
