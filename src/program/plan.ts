import type { OciConfig, OciMount, OciNamespace, OciProcess } from '../oci/config.ts';
import type { SubPath } from '../oci/mounts.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';

/**
 * Everything the compiler must know about one container: its OCI config, and what the runtime-spec has no words for
 * (where the writable root comes from, which memory volumes only the sandbox sees).
 */
export interface ContainerPlan {
  readonly config: OciConfig;
  readonly rootfs: Rootfs;
  /**
   * `shim`: in podspace-shim, a process of its own. `direct`: in a child that shares this process' memory, for a root that
   * is trusted: until its execve, /proc/self/exe there is Node's own file, and whatever follows that name executes it.
   */
  readonly runner: 'direct' | 'shim';
  /** The pod's mount namespace, which holds its tmpfs volumes; sources below one of `paths` exist only there. */
  readonly sandboxMounts?: { readonly namespace: string; readonly paths: readonly string[] };
  /** Mount destination → a path inside the volume (subPath), to be reached without leaving the volume. */
  readonly subPaths: Readonly<Record<string, SubPath>>;
  /** Those of the masked paths that are directories. */
  readonly maskedDirectories: readonly string[];
  /** Mount destinations that are files, not directories. */
  readonly fileMounts: readonly string[];
  /** cgroup v1 `cgroup.procs` files that the container writes itself into; on v2 it is born in its cgroup. */
  readonly cgroupProcs: readonly string[];
  /** The v2 cgroup that the device rules (parameter `devices`) are attached to; on v1 they are files. */
  readonly deviceCgroup?: string | undefined;
  /** `linux.seccomp`, compiled. */
  readonly seccomp: SeccompFilter | undefined;
  /** Instead of `seccomp`, a filter that asks about every call; its listener goes to the socket of parameter `audit`. */
  readonly isAudited: boolean;
  /**
   * What stdin is. stdout and stderr are the runtime's pipes, or all three are the terminal; with `inherit` all three are
   * the runtime's own.
   */
  readonly stdin: 'null' | 'pipe' | 'inherit';
  /** Of the inherited ones: which of 0–2 are given to the container's user, and which are the host's /dev/null. */
  readonly inherited?: InheritedStreams;
  /** Parameters that are detached mounts which the runtime has made itself, by the mount that they are. */
  readonly madeMounts?: ReadonlyMap<OciMount, string>;
  /** Names with dots, of the container's own namespaces. */
  readonly sysctls?: SandboxPlan['sysctls'];
  /** It waits for `start` before its execve, and outlives who made it. */
  readonly gate?: Gate;
}

export interface InheritedStreams {
  readonly owned: readonly number[];
  readonly null: readonly number[];
}

/** The parameters `sync`, a socket to who makes the container, and `fifo`, which `start` writes to. */
export interface Gate {
  /** So many fds from 3 on are the payload's (--preserve-fds, LISTEN_FDS). */
  readonly preserved: number;
  /** Hooks of the runtime's are to run before the root is changed. */
  readonly hasHooks: boolean;
}

export type Rootfs =
  /** A writable layer over an image. Paths are relative to `base`: a mount option holds at most 255 characters. */
  | {
      readonly kind: 'overlay';
      readonly base: string;
      readonly lower: readonly string[];
      readonly upper: string;
      readonly work: string;
      readonly mountPoint: string;
    }
  /** A directory as it is, bind-mounted onto itself. */
  | { readonly kind: 'directory'; readonly path: string };

/** The pod's sandbox: the namespaces its containers share, and the tmpfs mounts that only they see. */
export interface SandboxPlan {
  readonly namespaces: readonly ('network' | 'ipc' | 'uts' | 'mount')[];
  readonly hostname: string | undefined;
  /** The runtime is to have a netlink socket in the network namespace, to give the pod its network. */
  readonly isWired: boolean;
  /** The namespaces belong to the pod's own user namespace, which the runtime has made (parameter `userns`). */
  readonly isInUserNamespace: boolean;
  /** Trees of the host's that are mounted for it beside each other: images, with its ids, and the pod's own files. */
  readonly trees: readonly { readonly source: string; readonly target: string; readonly isMapped: boolean }[];
  /** Images of several layers that are volumes. Layers are relative to `base`, the uppermost first. */
  readonly overlays: readonly {
    readonly path: string;
    readonly base: string;
    readonly lower: readonly string[];
  }[];
  /** Names with dots, of the namespaces that are made here. */
  readonly sysctls: readonly { readonly name: string; readonly value: string }[];
  /** tmpfs mounts, at paths of podspace's own state. */
  readonly tmpfs: readonly { readonly path: string; readonly options: string }[];
}

/** The process that holds a shared PID namespace (`shareProcessNamespace`). */
export interface PausePlan {
  /** The sandbox's namespaces, its mount namespace first. */
  readonly namespaces: readonly OciNamespace[];
  /** Where the PID namespace's procfs is mounted, inside the sandbox's mount namespace. */
  readonly proc: string;
  /** An empty directory to put its root on. */
  readonly root: string;
  readonly process: OciProcess;
  readonly seccomp: SeccompFilter;
  readonly cgroupProcs: readonly string[];
}

/** A process that enters a running container. */
export interface ExecPlan {
  /** The host's number of user 0, where the container has a user namespace. */
  readonly hostRoot?: number;
  readonly process: OciProcess;
  /** The standard streams are the runtime's own, and so many fds after them the command's. */
  readonly inherited?: InheritedStreams & { readonly preserved: number };
  /** It may outlive who starts it: a hang-up of its terminal tells it then, and not a death signal. */
  readonly isDetachable: boolean;
  /** The container's own. */
  readonly seccomp: SeccompFilter | undefined;
  readonly cgroupProcs: readonly string[];
}
