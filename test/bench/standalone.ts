import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acceptPod } from '../../src/admission/accept.ts';
import { ImageStore } from '../../src/image/store.ts';
import { loadManifest } from '../../src/kube/manifest.ts';
import { hostArch } from '../../src/native/library.ts';
import type { OciConfig } from '../../src/oci/config.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { type Compiled, compileContainer } from '../../src/program/compile.ts';
import type { ContainerPlan } from '../../src/program/plan.ts';
import { NO_UID, stageAll } from '../../src/runtime/stages.ts';

export const IMAGE = 'localhost/busybox';
export const truePod = (name: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: IMAGE, command: ['/bin/true'] }] },
});

/**
 * The container of the `true` pod as one OCI bundle that every runtime can run: all its namespaces are new, its root is
 * a directory, and nothing of a pod's files is mounted.
 */
export class Standalone {
  readonly directory = mkdtempSync(join(tmpdir(), 'podspace-bench-'));
  readonly config: OciConfig;
  readonly plan: ContainerPlan;

  constructor() {
    const loaded = loadManifest([{ file: 'pod', text: JSON.stringify(truePod('bench')) }]);
    const [first] = loaded.pods;
    if (first === undefined) throw new Error('no pod');
    const { pod } = acceptPod(first, NO_UID);
    const [staged] = stageAll([pod], loaded, DEFAULT_ROOTS);
    if (staged === undefined || 'error' in staged.stages) throw new Error('the pod does not compile');
    const image = new ImageStore(DEFAULT_ROOTS.state).get(IMAGE);
    if (image === undefined) throw new Error(`${IMAGE} is not there: npm run setup`);
    const rootfs = join(DEFAULT_ROOTS.state, `images/roots/${image.id}/rootfs`);
    const { oci, plan } = staged.stages;
    const shm = ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'];
    this.config = {
      ...oci,
      root: { path: rootfs, readonly: true },
      hostname: 'bench',
      mounts: oci.mounts
        .filter(({ source }) => !source.startsWith(`${DEFAULT_ROOTS.state}/`))
        .map(mount =>
          mount.destination === '/dev/shm' ? { ...mount, type: 'tmpfs', source: 'shm', options: shm } : mount,
        ),
      process: { ...oci.process, args: ['/bin/true'], oomScoreAdj: 1000 },
      linux: {
        ...oci.linux,
        cgroupsPath: '/podspace-bench',
        namespaces: (['pid', 'network', 'ipc', 'uts', 'mount', 'cgroup'] as const).map(type => ({ type })),
      },
    };
    const { sandboxMounts: _, ...rest } = plan;
    this.plan = {
      ...rest,
      config: { ...this.config, mounts: this.config.mounts.filter(({ type }) => type !== 'cgroup') },
      rootfs: { kind: 'directory', path: rootfs },
      runner: 'direct',
      fileMounts: [],
      cgroupProcs: [],
      deviceCgroup: undefined,
    };
    mkdirSync(join(this.directory, 'bundle'));
    // runc denies every device unless the config says otherwise.
    const linux = { ...this.config.linux, resources: { devices: [{ allow: true, access: 'rwm' }] } };
    writeFileSync(join(this.directory, 'bundle/config.json'), JSON.stringify({ ...this.config, linux }));
  }

  get rootfs(): string {
    return this.config.root.path;
  }

  compile(): Compiled {
    return compileContainer(this.plan, hostArch());
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}
