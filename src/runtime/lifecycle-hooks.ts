import type { Image } from '../image/store.ts';
import type { Child } from '../native/execute.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { ContainerState } from './container-state.ts';
import type { Keeper } from './keeper.ts';
import type { ContainerRecord } from './pod-directory.ts';
import type { Sandbox } from './sandbox.ts';
import type { Reach } from './supervision.ts';

/** What the life of a pod's containers needs of the pod. */
export interface LifecycleHooks {
  readonly paths: PodPaths;
  readonly images: ReadonlyMap<string, Image>;
  /** Its namespaces are there, and the pod's volumes are filled. */
  readonly sandbox: Promise<Sandbox>;
  /** For probes and hooks. */
  readonly reach: Reach;
  /** Kills every process of the pod. */
  kill(): void;
  /** Writes down what runs, for other commands, and whether the pod's end has begun. */
  record(
    containers: readonly ContainerRecord[],
    pause: Pick<Child, 'pid'> | undefined,
    isEnding: boolean,
  ): void;
  /** Whose children the containers are, if not this process'; they may be there already. */
  readonly keeper?: Keeper;
  /** What was told last of the containers of a pod that was found running. */
  readonly known?: ReadonlyMap<string, ContainerState> | undefined;
  /** When it began, in milliseconds since the epoch; without it, now. */
  readonly startedAt?: number;
  /** What containers were in a pod that was lost: they go on counting. */
  readonly before?: ReadonlyMap<string, ContainerState> | undefined;
  /** Told of every change. */
  onStates?(states: readonly ContainerState[]): void;
}
