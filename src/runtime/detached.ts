import { closeSync, existsSync, readFileSync, renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import { containersOf } from '../kube/containers.ts';
import type { Pod } from '../kube/types.generated.ts';
import { PodPaths, type Roots } from '../oci/pod-paths.ts';
import { Cleanup } from './cleanup.ts';
import { containerInput, lifecycleHooks } from './container-input.ts';
import type { ContainerState } from './container-state.ts';
import { followStored } from './follow-stored.ts';
import { endShim, removePod } from './gc.ts';
import { sweepRanges } from './id-ranges.ts';
import { Keeper } from './keeper.ts';
import { sweepLeases } from './leases.ts';
import { PodLifecycle } from './lifecycle.ts';
import { lockFile } from './lock-file.ts';
import { NodeEntry } from './node-registry.ts';
import { updateNode } from './node-rules.ts';
import { isSameProcess, nameFileOf, type ProcessRecord, startTimeOf, writeWhole } from './pod-directory.ts';
import { adoptPodNetwork } from './pod-network.ts';
import type { PodResult } from './pod-result.ts';
import { type PodFacts, type PreparedPod, preparePod } from './prepare-pod.ts';
import type { RunPodOptions } from './run-options.ts';

/** A pod that outlives this process: a podspace-shim is the parent of its containers, and holds what is the pod's. */
export interface DetachedPod {
  readonly paths: PodPaths;
  readonly facts: PodFacts;
  readonly keeper: Keeper;
  readonly lifecycle: PodLifecycle;
  /** The images that it was made of, by its containers' names, as its spec called them then. */
  readonly imageNames: Readonly<Record<string, string>>;
  /** What of it is this process' own. */
  readonly own: Cleanup;
}

export interface DetachedOptions extends RunPodOptions {
  /** The directory of the pod's logs. */
  readonly logs: string;
  onStates(states: readonly ContainerState[]): void;
  /** When the node took it, in milliseconds since the epoch; without it, when it was made. */
  readonly startedAt?: number;
  /** What its containers were before their shim was lost. */
  readonly before?: ReadonlyMap<string, ContainerState> | undefined;
  /** What was told of them last, of a pod that may be running. */
  readonly known?: ReadonlyMap<string, ContainerState> | undefined;
}

/** What the next process must know: `detached.json` in the pod's run directory. */
interface DetachedFile {
  readonly shim: ProcessRecord;
  readonly facts: PodFacts;
  /** Numbers of the shim's fds. */
  readonly kept: Readonly<Record<string, number>>;
  readonly imageNames: DetachedPod['imageNames'];
}

const fileOf = ({ run }: PodPaths): string => join(run, 'detached.json');

/**
 * Makes a pod that outlives this process; its life begins with `lifecycle.run()`. A pod that could not be made is a result,
 * or an error, as those of {@link preparePod}; nothing is left of it then.
 */
export async function startDetached(options: DetachedOptions): Promise<DetachedPod | PodResult> {
  const cleanup = new Cleanup();
  let keeper: Keeper | undefined;
  try {
    const prepared = await preparePod(options, cleanup, async ({ paths }) => {
      keeper = await Keeper.start(paths, options.logs);
      return keeper;
    });
    if ('phase' in prepared || keeper === undefined) {
      await cleanup.run();
      return prepared as PodResult;
    }
    const { paths, facts } = prepared;
    const sandbox = await prepared.sandbox;
    const kept = await handOver(keeper, cleanup, paths);
    const shim = { pid: keeper.shim.pid, startTime: startTimeOf(keeper.shim.pid) ?? '' };
    const imageNames = imageNamesOf(options.pod);
    writeWhole(fileOf(paths), { shim, facts, kept, imageNames } satisfies DetachedFile);
    cleanup.handOver();
    const { pause } = sandbox;
    const made = { ...prepared, sandbox: Promise.resolve({ ...sandbox, pause }) };
    return { ...begin(options, made, keeper, shim, cleanup), imageNames };
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

/** The shim has all that is kept from now on, and the namespaces' paths lead to it. */
async function handOver(
  { shim }: Keeper,
  cleanup: Cleanup,
  paths: PodPaths,
): Promise<Readonly<Record<string, number>>> {
  const names = [...cleanup.kept.keys()];
  const numbers = await shim.keep([...cleanup.kept.values()]);
  const kept = Object.fromEntries(names.map((name, i) => [name, numbers[i] ?? -1]));
  for (const [name, number] of Object.entries(kept)) {
    const [, type] = /^namespace (.*)$/.exec(name) ?? [];
    if (type === undefined) continue;
    const path = paths.namespace(type as Parameters<PodPaths['namespace']>[0]);
    symlinkSync(`/proc/${shim.pid}/fd/${number}`, `${path}.new`);
    renameSync(`${path}.new`, path);
  }
  return kept;
}

function begin(
  options: DetachedOptions,
  prepared: PreparedPod,
  keeper: Keeper,
  shim: ProcessRecord,
  own: Cleanup,
): Omit<DetachedPod, 'imageNames'> {
  const { paths, facts } = prepared;
  const lifecycle = new PodLifecycle(options, containerInput(options, prepared), {
    ...lifecycleHooks(options, prepared, shim),
    keeper,
    startedAt: options.startedAt ?? facts.createdAt,
    onStates: options.onStates,
    before: options.before,
    known: options.known,
  });
  return { paths, facts, keeper, lifecycle, own };
}

/** A pod that another process has started, and that goes on; undefined if it does not, or was never there. */
export async function adoptDetached(options: DetachedOptions): Promise<DetachedPod | undefined> {
  const { pod, roots, host, network: settings, networkObjects: objects, observer } = options;
  const paths = new PodPaths(roots, pod.metadata?.uid ?? '');
  const file = readDetached(paths);
  if (file === 'damaged')
    observer.onWarning?.(`${fileOf(paths)} is damaged: what is left of the pod is removed`);
  if (file === 'damaged' || file === undefined || !isSameProcess(file.shim)) return undefined;
  const { facts, kept, shim, imageNames = {} } = file;
  const keeper = Keeper.find(paths, options.logs, shim.pid);
  const own = new Cleanup();
  const fetch = (name: string): number => keeper.shim.fetch(kept[name] ?? -1);
  const network = adoptPodNetwork(
    { pod, paths, host, settings, objects, observer },
    facts.podIPs,
    fetch,
    own,
  );
  const directory = (path: string): string => {
    const number = kept[`directory ${path}`];
    return number === undefined ? path : `/proc/${shim.pid}/fd/${number}`;
  };
  const pausePid = readPause(paths);
  const sandbox = {
    directory,
    network: undefined,
    pause: pausePid === undefined ? undefined : { pid: pausePid },
  };
  own.add('watching objects', await followStored(options, new Map(facts.volumes), sandbox));
  const prepared = { paths, facts, network, sandbox: Promise.resolve(sandbox) };
  return { ...begin(options, prepared, keeper, shim, own), imageNames };
}

const imageNamesOf = (pod: Pod): DetachedPod['imageNames'] =>
  Object.fromEntries(containersOf(pod).map(({ name, image = '' }) => [name, image]));

function readDetached(paths: PodPaths): DetachedFile | 'damaged' | undefined {
  try {
    const file = JSON.parse(readFileSync(fileOf(paths), 'utf8')) as Partial<DetachedFile> | null;
    const { shim, facts, kept } = file ?? {};
    const isWhole = typeof shim?.pid === 'number' && Array.isArray(facts?.images) && typeof kept === 'object';
    return isWhole ? (file as DetachedFile) : 'damaged';
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return 'damaged';
    throw error;
  }
}

function readPause({ run }: PodPaths): number | undefined {
  try {
    const { pause } = JSON.parse(readFileSync(join(run, 'pod.json'), 'utf8'));
    return pause?.pid;
  } catch {
    return undefined;
  }
}

/** Removes all of a pod whose containers have ended, or that has lost its shim. */
export async function removeDetached(
  { paths, keeper, own }: Pick<DetachedPod, 'paths'> & Partial<Pick<DetachedPod, 'keeper' | 'own'>>,
  roots: Roots,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): Promise<void> {
  const { uid } = paths;
  const entry = new NodeEntry(uid, roots);
  const { ips } = entry.read()?.pod ?? {};
  await own?.run();
  entry.withdraw();
  // What the pod could be reached by first; its address is free only then.
  await removePod({ paths, isAlive: false, record: undefined }, roots, async () => {
    await updateNode().catch(() => {});
    keeper?.shim.close();
    await endShim(paths.run);
  });
  entry.remove();
  // Where it is not known which ones it had, all are looked at.
  sweepLeases({ addresses: ips });
  sweepRanges();
  removeName(nameFileOf(roots, namespace, name));
}

/** Unless another pod has the name already. */
function removeName(path: string): void {
  const lock = existsSync(path) ? lockFile(path) : undefined;
  if (lock === undefined) return;
  unlinkSync(path);
  closeSync(lock);
}
