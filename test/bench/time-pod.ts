import { acceptPod } from '../../src/admission/accept.ts';
import { ImageStore } from '../../src/image/store.ts';
import { loadManifest } from '../../src/kube/manifest.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { gatherHostFacts } from '../../src/runtime/host-facts.ts';
import { runPod } from '../../src/runtime/pod.ts';
import type { NetworkSettings } from '../../src/runtime/pod-network.ts';
import type { PodObserver } from '../../src/runtime/run-options.ts';
import { seccompSettings } from '../../src/runtime/seccomp.ts';
import { newUid } from '../../src/runtime/uid.ts';
import { truePod } from './standalone.ts';

const host = gatherHostFacts();
const images = new ImageStore(DEFAULT_ROOTS.state);
const settings = seccompSettings(DEFAULT_ROOTS, {});

/** Runs a pod whose container runs `true`, in this process; returns the microseconds of all of it. */
export async function timePod(
  spec: object,
  container: object,
  network: NetworkSettings,
  observer: PodObserver,
): Promise<number> {
  const manifest = truePod('bench') as { spec: { containers: object[] } };
  const containers = manifest.spec.containers.map(one => ({ ...one, ...container }));
  const text = JSON.stringify({ ...manifest, spec: { ...manifest.spec, ...spec, containers } });
  const objects = loadManifest([{ file: 'pod', text }]);
  const [loaded] = objects.pods;
  if (loaded === undefined) throw new Error('no pod');
  const { pod } = acceptPod(loaded, newUid());
  const trace = observer.onTrace !== undefined;
  const start = process.hrtime.bigint();
  const result = await runPod({
    ...settings,
    pod,
    objects,
    images,
    host,
    roots: DEFAULT_ROOTS,
    network,
    trace,
    observer,
  });
  const total = Number(process.hrtime.bigint() - start) / 1000;
  if (result.phase !== 'Succeeded') throw new Error(JSON.stringify(result));
  return total;
}
