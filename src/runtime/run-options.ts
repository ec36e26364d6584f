import type { Decision } from '../admission/admission.ts';
import type { PullProgress } from '../image/pull-progress.ts';
import type { ImageStore } from '../image/store.ts';
import type { PodObjects } from '../kube/environment.ts';
import type { Container, Pod } from '../kube/types.generated.ts';
import type { NetworkObjects } from '../network/objects.ts';
import type { Exchange } from '../network/wire.ts';
import type { Observation } from '../oci/audit/observation.ts';
import type { OciProcess } from '../oci/config.ts';
import type { HostFacts } from '../oci/host-facts.ts';
import type { Roots } from '../oci/pod-paths.ts';
import type { SeccompTools } from '../oci/seccomp/generate.ts';
import type { ContainerStages } from '../pipeline.ts';
import type { Report } from '../program/decode.ts';
import type { VerifiedProgram } from '../program/program.ts';
import type { SecuritySettings } from '../security/effective.ts';
import type { NetworkSettings } from './pod-network.ts';

export type OutputStream = 'stdout' | 'stderr';

/** What a caller can watch while a pod runs. None of them may throw. */
export interface PodObserver {
  /** False when no more output of that stream is wanted. */
  onOutput?(container: string, stream: OutputStream, chunk: Buffer): boolean | undefined;
  /** In the words of a node's events: type, reason, message. `container` is "" for what is of the whole pod. */
  onEvent?(type: 'Normal' | 'Warning', reason: string, message: string, container: string): void;
  onWarning?(message: string): void;
  /** An attempt has come so far that its image is there, and perhaps that the container is made: next comes what became of it. */
  onAttempt?(container: string, isCreated: boolean): void;
  /** Each program that was executed, with its results. */
  onTrace?(container: string, program: VerifiedProgram, report: Report): void;
  onStarted?(container: string, stages: ContainerStages): void;
  /** What was asked of rtnetlink(7) for the pod's network. */
  onExchange?(exchange: Exchange): void;
}

/** The container that is connected to the caller's own streams. */
export interface AttachedContainer {
  readonly name: string;
  readonly terminal: boolean;
  readonly consoleSize?: OciProcess['consoleSize'];
  /** Called with the writer of its stdin, or the terminal's master, when it starts. */
  connect?(streams: { readonly stdin: number | undefined; readonly terminal: number | undefined }): void;
}

export interface RunPodOptions {
  /** Accepted by the pipeline: defaulted, valid, with a uid. */
  readonly pod: Pod;
  /** NetworkPolicies, Services and namespaces that stand beside the pod. */
  readonly networkObjects?: NetworkObjects | undefined;
  /** What admission decided, where there was somebody to decide. */
  readonly decision?: Decision | undefined;
  /** What the pod refers to. */
  readonly objects: PodObjects;
  /** Those of them that the store cannot change, of the pod's own manifest; without it volumes stay as they are. */
  readonly manifest?: PodObjects;
  readonly images: ImageStore;
  /** Registries (`host:port`) that are asked by plain HTTP. */
  readonly insecureRegistries?: readonly string[];
  /** An image is about to be pulled. */
  readonly onPull?: (image: string) => { onProgress(progress: PullProgress): void; end(): void };
  readonly host: HostFacts;
  readonly roots: Roots;
  readonly observer: PodObserver;
  readonly attached?: AttachedContainer;
  readonly trace?: boolean;
  /**
   * Audits the pod: no container has the filter it should have, each is asked about every system call, and this is told what
   * each attempt of one did, at its end. Needs libseccomp and Linux 5.19.
   */
  readonly onAudited?: (container: Container, stages: ContainerStages, observation: Observation) => void;
  /** The kubelet's --pod-max-pids: how many processes the pod can have. */
  readonly podMaxPids?: number;
  /** Whether pods get a network of their own, and the ranges of its addresses. */
  readonly network: NetworkSettings;
  readonly seccomp: SeccompTools;
  readonly settings?: SecuritySettings;
  /** The kubelet's --allowed-unsafe-sysctls: names, or their beginnings with a "*". */
  readonly allowedUnsafeSysctls?: readonly string[];
  /** Ends the pod: SIGTERM, the grace period, SIGKILL. */
  readonly signal?: AbortSignal;
  /** Ends it at once: SIGKILL. Only looked at after `signal`. */
  readonly killSignal?: AbortSignal;
  /** Keep the output for the result. */
  readonly capture?: boolean;
  /** This process runs nothing but this pod, which has one container: its output may be read by waiting threads. */
  readonly hasOwnThreads?: boolean;
  /** Hands the caller a way to send signals to the main processes. */
  readonly onSignals?: (send: (signal: number) => void) => void;
}
