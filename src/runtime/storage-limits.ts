import { formatQuantity } from '../kube/quantity-order.ts';
import { amounts, podAmounts, wholeValue } from '../kube/resources.ts';
import type { Pod } from '../kube/types.generated.ts';
import type { PodPaths } from '../oci/pod-paths.ts';

/** A limit on what some directories hold together, and the kubelet's words for the pod that broke it. */
interface StorageLimit {
  readonly paths: readonly string[];
  readonly bytes: number;
  readonly message: string;
}

const STORAGE = 'ephemeral-storage';

/** In the order of the kubelet's eviction manager (localStorageEviction). `attempt`: how often a container was restarted. */
export function storageLimits(
  pod: Pod,
  paths: PodPaths,
  attempt: (container: string) => number,
): readonly StorageLimit[] {
  const spec = pod.spec ?? { containers: [] };
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const onDisk = (spec.volumes ?? []).filter(({ emptyDir }) => emptyDir !== undefined && !emptyDir.medium);
  const layer = (name: string): string => paths.layer(name, attempt(name), 'upper');
  const limit = (
    nanos: bigint | undefined,
    places: readonly string[],
    words: (quantity: string) => string,
  ): readonly StorageLimit[] => {
    if (nanos === undefined || nanos === 0n) return [];
    const message = words(formatQuantity({ nanos, format: 'binary' }));
    return [{ paths: places, bytes: wholeValue(nanos), message }];
  };
  return [
    ...onDisk.flatMap(({ name, emptyDir }) =>
      limit(
        amounts({ limits: { size: emptyDir?.sizeLimit ?? 0 } }, 'limits').get('size'),
        [paths.volume(name, false)],
        quantity => `Usage of EmptyDir volume "${name}" exceeds the limit "${quantity}". `,
      ),
    ),
    ...limit(
      podAmounts(spec, 'limits').get(STORAGE),
      [...onDisk.map(({ name }) => paths.volume(name, false)), ...containers.map(({ name }) => layer(name))],
      quantity => `Pod ephemeral local storage usage exceeds the total limit of containers ${quantity}. `,
    ),
    ...containers.flatMap(({ name, resources }) =>
      limit(
        amounts(resources, 'limits').get(STORAGE),
        [layer(name)],
        quantity => `Container ${name} exceeded its local ephemeral storage limit "${quantity}". `,
      ),
    ),
  ];
}

/** Milliseconds: the kubelet looks every ten seconds; the first time sooner, for pods that are soon done. */
const FIRST_LOOK = 1000;
const INTERVAL = 10_000;

/** Looks at limits again and again until one is broken; returns how to stop. Nothing is looked at for a pod without any. */
export function watchStorage(
  limits: () => readonly StorageLimit[],
  onExceeded: (message: string) => void,
): () => void {
  if (limits().length === 0) return () => {};
  const stopped = new AbortController();
  let timer: NodeJS.Timeout;
  const look = async (): Promise<void> => {
    for (const { paths, bytes, message } of limits()) {
      if ((await diskUsage(paths, stopped.signal)) > bytes && !stopped.signal.aborted) {
        onExceeded(message);
        return;
      }
    }
    if (!stopped.signal.aborted) timer = setTimeout(look, INTERVAL);
  };
  timer = setTimeout(look, FIRST_LOOK);
  return () => {
    stopped.abort();
    clearTimeout(timer);
  };
}

/**
 * Bytes that these trees take on the disk. du(1) follows no link and leaves no filesystem, however a container may move
 * its directories about meanwhile; what vanishes under its hands makes it complain, and its sum is as good as any.
 */
function diskUsage(paths: readonly string[], signal: AbortSignal): Promise<number> {
  return new Promise(resolve => {
    // Loaded here: few pods need it, and all would pay for it.
    const { execFile } = process.getBuiltinModule('node:child_process');
    execFile('du', ['-s', '-c', '-x', '-B1', '--', ...paths], { signal }, (_error, stdout) => {
      resolve(Number(/(\d+)\ttotal\n$/.exec(stdout)?.[1] ?? 0));
    });
  });
}
