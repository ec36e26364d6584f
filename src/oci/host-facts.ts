import type { ModuleFacts } from '../security/labels.ts';
import type { SecurityFacts } from '../security/security-facts.ts';
import type { CgroupFacts } from './cgroup-plan.ts';
import type { OciDevice, OciMount } from './config.ts';

/** What the stages before the kernel must know about the machine; gathered once by `runtime/`, made up by tests. */
export interface HostFacts extends SecurityFacts {
  /** The hard RLIMIT_NOFILE. */
  readonly maxOpenFiles: number;
  readonly hostname: string;
  /** As uname(2) has it: `6.18.44-custom`. */
  readonly kernelRelease: string;
  /** An address of the machine, for `status.hostIP`. */
  readonly hostIP: string;
  /** The machine's /etc/hosts and /etc/resolv.conf. */
  readonly etcHosts: string;
  readonly resolvConf: string;
  /** All device nodes of the host's /dev; needed for privileged containers only. */
  readonly devices: readonly OciDevice[];
  /** What a mount of type "cgroup" stands for on this machine: one cgroup2, or a tmpfs with a mount per v1 hierarchy. */
  readonly cgroupMounts: readonly OciMount[];
  readonly cgroups: CgroupFacts;
  readonly modules: ModuleFacts;
  readonly cpus: number;
  /** Main memory in bytes. */
  readonly memory: number;
  /** Sizes that the machine has huge pages of, in the kernel's spelling (`2MB`). */
  readonly hugepageSizes: readonly string[];
  /** The lowest oom_score_adj that podspace can give: its own, without CAP_SYS_RESOURCE. */
  readonly minOomScoreAdj: number;
}
