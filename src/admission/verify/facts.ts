import type { CapabilityName } from '../../linux/capabilities.ts';

/** What the kernel says of one process of a container, in the container's own ids. */
export interface ProcessFacts {
  /** Seen from the machine. */
  readonly pid: number;
  /** Real, effective, saved and of files, each once: it can take any of them, credentials(7). */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  /**
   * In any of its sets: what it has or could get, over the container’s user namespace. In one of its own a process has
   * all, which nothing outside cares about.
   */
  readonly capabilities: readonly CapabilityName[];
  readonly noNewPrivileges: boolean;
  readonly hasSeccompFilter: boolean;
}

/** What the kernel says of one container. */
export interface ContainerFacts {
  readonly name: string;
  /** Namespaces that are the machine's own. */
  readonly hostNamespaces: readonly ('network' | 'pid' | 'ipc' | 'user')[];
  readonly isRootReadOnly: boolean;
  /** /sys is writable: what only privileged containers have. */
  readonly isSysWritable: boolean;
  /** Paths of /proc are masked or read-only. */
  readonly isProcProtected: boolean;
  /** Ports of the machine that its processes listen at, or that lead to its pod: `TCP/8080`. */
  readonly hostPorts: readonly { readonly protocol: string; readonly port: number }[];
  readonly processes: readonly ProcessFacts[];
}

/** One rule, and whether the kernel agrees. */
export interface Verified {
  readonly container: string;
  /** `PodSecurityPolicy/NAME runAsUser`, `PodSecurity/runAsNonRoot`. */
  readonly rule: string;
  readonly promised: string;
  readonly found: string;
  readonly agrees: boolean;
}

/** A rule as a question to the kernel. */
export interface Question {
  readonly promised: string;
  readonly found: (facts: ContainerFacts) => string;
  readonly agrees: (facts: ContainerFacts) => boolean;
}

export function ask(rule: string, { promised, found, agrees }: Question, facts: ContainerFacts): Verified {
  return { container: facts.name, rule, promised, found: found(facts), agrees: agrees(facts) };
}

/** Different values of the processes, in order: `uid 0, 5`. */
export function distinct<T>(facts: ContainerFacts, value: (process: ProcessFacts) => T): string {
  return [...new Set(facts.processes.map(process => String(value(process))))].join(', ');
}

/** A question about each process. */
export function ofProcesses(
  promised: string,
  value: (process: ProcessFacts) => unknown,
  agrees: (process: ProcessFacts) => boolean,
): Question {
  return {
    promised,
    found: facts => distinct(facts, value),
    agrees: facts => facts.processes.every(agrees),
  };
}
