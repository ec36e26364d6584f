import type { IoPriorityClass, SchedulerFlag, SchedulerPolicy } from '../linux/scheduling.ts';
import type { SeccompAction, SeccompArchitecture, SeccompFlag, SeccompOperator } from '../linux/seccomp.ts';

/**
 * The OCI runtime-spec's `config.json`, field for field, as far as podspace generates or runs it.
 * https://github.com/opencontainers/runtime-spec (config.md, config-linux.md), version 1.1, which the runtimes of Debian 12 know.
 */
export interface OciConfig {
  readonly ociVersion: string;
  readonly root: OciRoot;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts: readonly OciMount[];
  readonly process: OciProcess;
  readonly linux: OciLinux;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface OciRoot {
  readonly path: string;
  readonly readonly: boolean;
}

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface OciProcess {
  readonly terminal: boolean;
  /** Of the terminal, in characters. */
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: OciUser;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: OciCapabilities;
  readonly rlimits: readonly OciRlimit[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj?: number;
  readonly scheduler?: OciScheduler;
  readonly ioPriority?: OciIoPriority;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
}

/** config.md, "Linux Process": what sched_setattr(2) takes. */
export interface OciScheduler {
  readonly policy: SchedulerPolicy;
  readonly nice: number;
  readonly priority: number;
  readonly flags: readonly SchedulerFlag[];
  readonly runtime: number;
  readonly deadline: number;
  readonly period: number;
}

export interface OciIoPriority {
  readonly class: IoPriorityClass;
  readonly priority: number;
}

export interface OciUser {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  readonly additionalGids: readonly number[];
}

export interface OciCapabilities {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
  readonly inheritable: readonly string[];
  readonly ambient: readonly string[];
}

export interface OciRlimit {
  readonly type: string;
  readonly soft: number;
  readonly hard: number;
}

export type OciNamespaceType = 'pid' | 'network' | 'ipc' | 'uts' | 'mount' | 'cgroup' | 'user' | 'time';

/** Without `path` the namespace is made anew; a type that is not listed is the runtime's own. */
export interface OciNamespace {
  readonly type: OciNamespaceType;
  readonly path?: string;
}

export interface OciDevice {
  readonly type: 'c' | 'b' | 'p';
  readonly path: string;
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface OciLinux {
  readonly namespaces: readonly OciNamespace[];
  readonly uidMappings?: readonly OciIdMapping[];
  readonly gidMappings?: readonly OciIdMapping[];
  readonly devices: readonly OciDevice[];
  readonly cgroupsPath: string;
  readonly resources: OciResources;
  readonly mountLabel?: string;
  readonly rootfsPropagation?: string;
  readonly personality?: OciPersonality;
  readonly timeOffsets?: Readonly<Partial<Record<OciClock, OciTimeOffset>>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: OciSeccomp;
}

/** config-linux.md, "Personality": LINUX32 is what uname(2) of a 32-bit program says. */
export interface OciPersonality {
  readonly domain: 'LINUX' | 'LINUX32';
}

export type OciClock = 'monotonic' | 'boottime';

/** config-linux.md, "Time namespace": added to the clock. */
export interface OciTimeOffset {
  readonly secs: number;
  readonly nanosecs: number;
}

/** config-linux.md, "Seccomp". */
export interface OciSeccomp {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly SeccompArchitecture[];
  /** Without, SPEC_ALLOW is the runtimes' default. */
  readonly flags?: readonly SeccompFlag[];
  readonly syscalls: readonly OciSyscallRule[];
  /** Of the socket that the fd for SCMP_ACT_NOTIFY is sent to, and what is sent with it. */
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
}

export interface OciSyscallRule {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly OciSyscallArgument[];
}

/** 64-bit values; a bigint where a number would not be exact. */
export interface OciSyscallArgument {
  readonly index: number;
  readonly value: number | bigint;
  readonly valueTwo?: number | bigint;
  readonly op: SeccompOperator;
}

/** The config as JSON text. */
export function formatOci(config: OciConfig): string {
  return format(config, 2);
}

export function formatSeccomp(seccomp: OciSeccomp): string {
  return format(seccomp);
}

/** The numbers that only a bigint holds are written out. */
function format(value: unknown, indent?: number): string {
  const isBig = (each: unknown): each is bigint => typeof each === 'bigint';
  const text = JSON.stringify(value, (_, each: unknown) => (isBig(each) ? `\0${each}` : each), indent);
  return text.replace(/"\\u0000(\d+)"/g, '$1');
}

/** config-linux.md, "User namespace mappings". */
export interface OciIdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

/** config-linux.md, "Control groups": only what podspace sets. */
export interface OciResources {
  readonly devices?: readonly OciDeviceRule[];
  readonly cpu?: { readonly shares?: number; readonly quota?: number; readonly period?: number };
  /** Bytes; `swap` is memory and swap together. */
  readonly memory?: { readonly limit: number; readonly swap: number };
  readonly pids?: { readonly limit: number };
  readonly hugepageLimits?: readonly OciHugepageLimit[];
  /** Files of cgroup v2 by name. */
  readonly unified?: Readonly<Record<string, string>>;
}

export interface OciHugepageLimit {
  /** `2MB`, `1GB`. */
  readonly pageSize: string;
  readonly limit: number;
}

/** One line of the device list; a number that is not there is any. */
export interface OciDeviceRule {
  readonly allow: boolean;
  readonly type?: 'a' | 'c' | 'b';
  readonly major?: number;
  readonly minor?: number;
  readonly access?: string;
}
