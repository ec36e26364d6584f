/** Where podspace keeps its state. `run` may be forgotten at a reboot, `state` not. */
export interface Roots {
  readonly run: string;
  readonly state: string;
}

export const DEFAULT_ROOTS: Roots = { run: '/run/podspace', state: '/var/lib/podspace' };

/** `--root DIR` moves both. */
export function rootsAt(directory: string): Roots {
  return { run: `${directory}/run`, state: directory };
}

/** The directory that a claim's data is in: names have no "/". */
export const claimPath = ({ state }: Roots, namespace: string, name: string): string =>
  `${state}/claims/${namespace}/${encodeURIComponent(name).replace(/^\./, '%2E')}`;

/** The files of one pod, by its uid. */
export class PodPaths {
  readonly roots: Roots;
  readonly uid: string;
  /** Small and short-lived: locks, namespace links, mount points of tmpfs volumes. */
  readonly run: string;
  /** What may grow: volumes and the containers' writable layers. */
  readonly state: string;

  constructor(roots: Roots, uid: string) {
    this.roots = roots;
    this.uid = uid;
    this.run = `${roots.run}/pods/${uid}`;
    this.state = `${roots.state}/pods/${uid}`;
  }

  namespace(type: string): string {
    return `${this.run}/ns/${type}`;
  }

  get shm(): string {
    return `${this.run}/shm`;
  }

  /** procfs of a shared PID namespace. */
  get proc(): string {
    return `${this.run}/proc`;
  }

  /** The directory a volume's files are in: on disk, or the mount point of a tmpfs. */
  volume(name: string, isMemory: boolean): string {
    return isMemory ? `${this.run}/volumes/${name}` : `${this.state}/volumes/${name}`;
  }

  etcFile(name: 'hosts' | 'hostname' | 'resolv.conf'): string {
    return `${this.state}/etc-${name}`;
  }

  /** Where the sandbox of a pod with a user namespace mounts images, and the pod's own files, with the ids of that one. */
  get idmapped(): string {
    return `${this.run}/idmapped`;
  }

  /** Where every container mounts its root, each in a mount namespace of its own. */
  get root(): string {
    return `${this.run}/root`;
  }

  /** Where one attempt of a container leaves its termination message. */
  terminationLog(container: string, attempt: number): string {
    return `${this.state}/${container}.${attempt}/termination-log`;
  }

  /** One of the volumes that the image of a container wants, which go with the attempt as its layer does. */
  imageVolume(container: string, attempt: number, index: number): string {
    return `${this.state}/${container}.${attempt}/volumes/${index}`;
  }

  /** A container's writable layer; `attempt` counts its restarts. A container's name has no dot. */
  layer(container: string, attempt: number, part: 'upper' | 'work'): string {
    return `${this.state}/${container}.${attempt}/${part}`;
  }
}
