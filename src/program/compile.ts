/**
 * From an OCI config to a syscall program. This page is the order of things; each step's own reasons are in `phases/`.
 * The order is the kernel's: a step can need what a later one takes away (paths of the host, capabilities, memory).
 */
import type { Arch } from '../linux/arch.ts';
import type { CLONE } from '../linux/constants.generated.ts';
import { NAMESPACES } from '../linux/namespaces.ts';
import type { OciNamespace, OciProcess } from '../oci/config.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';
import { flags, num, ProgramBuilder } from './builder.ts';
import { moveMountTo, newMount } from './mount-calls.ts';
import { makeDevices, openNull } from './phases/devices.ts';
import { mountAll, openBindSources, sealTmpfs } from './phases/mounts.ts';
import { closeOnExec, joinCgroups, openNamespaces, setNamespace, unshare } from './phases/namespaces.ts';
import {
  becomeSessionLeader,
  checkWorkingDirectory,
  clearAmbient,
  dieWithParent,
  enterWorkingDirectory,
  execute,
  notEntered,
  raiseAmbient,
  raiseSysAdmin,
  setCapabilities,
  setIdentity,
  setIds,
  setLimits,
  setOomScore,
  setUmask,
  unblockSignals,
} from './phases/process.ts';
import { makePathsReadonly, maskPaths } from './phases/protected-paths.ts';
import { isolatePropagation, makeRootReadonly, mountRootfs, pivot } from './phases/rootfs.ts';
import {
  bringLoopbackUp,
  executeShim,
  exportDirectories,
  exportNamespaces,
  joinProcess,
  keepStandardStreams,
  mountSandbox,
  mountSharedProc,
  setHostname,
} from './phases/sandbox.ts';
import { installFilter } from './phases/seccomp.ts';
import {
  closeHostFds,
  connectPipes,
  connectTerminal,
  openTerminal,
  openTerminalInContainer,
  ownStreams,
} from './phases/terminal.ts';
import type { ContainerPlan, ExecPlan, PausePlan, SandboxPlan } from './plan.ts';
import type { DataOperand, VerifiedProgram } from './program.ts';
import { RootPaths } from './root-paths.ts';
import { verify } from './verify.ts';

/** A program and the namespaces that its first process is cloned into. */
export interface Compiled {
  readonly program: VerifiedProgram;
  readonly cloneFlags: readonly (keyof typeof CLONE)[];
}

/** The pod's shared namespaces. Runs with the runtime's own fd table, and leaves their fds there (`exports`: by pc). */
export interface CompiledSandbox extends Compiled {
  readonly exports: {
    readonly namespaces: ReadonlyMap<string, number>;
    readonly directories: ReadonlyMap<string, number>;
  };
}

export function compileSandbox(plan: SandboxPlan, arch: Arch): CompiledSandbox {
  const b = new ProgramBuilder(arch);
  if (plan.namespaces.includes('mount')) mountSandbox(b, plan);
  if (plan.hostname !== undefined) setHostname(b, plan.hostname);
  if (plan.namespaces.includes('network')) bringLoopbackUp(b);
  const namespaces = exportNamespaces(b, plan);
  const directories = exportDirectories(
    b,
    plan.tmpfs.map(({ path }) => path),
  );
  const cloneFlags = ['CLONE_FILES', ...plan.namespaces.map(type => NAMESPACES[type].flag)] as const;
  return { program: verify(b.build()), cloneFlags, exports: { namespaces, directories } };
}

/** PID 1 of a shared PID namespace: an empty root, no capabilities, no file of the host. */
export function compilePause(plan: PausePlan, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  closeOnExec(b);
  joinCgroups(b, plan.cgroupProcs);
  b.phase('namespaces');
  for (const [namespace, fd] of openNamespaces(b, plan.namespaces)) setNamespace(b, fd, namespace.type);
  mountSharedProc(b, plan.proc);
  unshare(b, ['mount']);
  isolatePropagation(b);
  const root = newMount(b, 'tmpfs', 'tmpfs', ['ro', 'nosuid', 'nodev', 'noexec', 'size=4k', 'mode=755']);
  moveMountTo(b, root, plan.root);
  pivot(b, root, undefined);
  becomeSessionLeader(b, false);
  setIdentity(b, plan.process);
  dieWithParent(b);
  b.call('close_range', [num(0), num(2), flags({})]);
  installFilter(b, plan.seccomp);
  executeShim(b, ['/pause'], []);
  return { program: verify(b.build()), cloneFlags: ['CLONE_NEWPID'] };
}

/** A container. */
export function compileContainer(plan: ContainerPlan, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  const { config } = plan;
  const { process, linux } = config;
  const isNew = (namespace: OciNamespace): boolean => namespace.path === undefined;
  const clonesPid =
    plan.runner === 'direct' &&
    linux.namespaces.some(namespace => namespace.type === 'pid' && isNew(namespace));
  const unshared = linux.namespaces
    .filter(isNew)
    .map(({ type }) => type)
    .filter(type => type !== 'cgroup' && !(type === 'pid' && clonesPid));
  const needsClone = linux.namespaces.some(({ type }) => type === 'pid') && !clonesPid;

  closeOnExec(b);
  joinCgroups(b, plan.cgroupProcs);
  setOomScore(b, process);

  b.phase('sources');
  const hostSources = openBindSources(b, plan, 'host');
  const joined = openNamespaces(b, linux.namespaces);
  b.phase('namespaces');
  const sandboxMounts =
    plan.sandboxMounts === undefined
      ? []
      : openNamespaces(b, [{ type: 'mount', path: plan.sandboxMounts.namespace }]);
  for (const [namespace, fd] of [...sandboxMounts, ...joined]) setNamespace(b, fd, namespace.type);
  const sandboxSources = openBindSources(b, plan, 'sandbox');
  unshare(b, unshared);
  unshare(
    b,
    linux.namespaces.some(namespace => namespace.type === 'cgroup' && isNew(namespace)) ? ['cgroup'] : [],
  );
  if (config.hostname !== undefined && unshared.includes('uts')) setHostname(b, config.hostname);
  if (unshared.includes('network')) bringLoopbackUp(b);

  isolatePropagation(b);
  const root = mountRootfs(b, plan.rootfs);
  const paths = new RootPaths(b, root);
  const unsealed = mountAll(b, paths, plan, new Map([...hostSources, ...sandboxSources]));
  makeDevices(b, paths, config);
  sealTmpfs(b, unsealed);
  maskPaths(b, paths, plan);
  makePathsReadonly(b, paths, config);
  paths.directory(process.cwd);
  const terminal = process.terminal ? openTerminal(b, paths, process) : undefined;
  const stdin = !process.terminal && plan.stdin === 'null' ? openNull(b, paths.directory('/dev')) : undefined;
  makeRootReadonly(b, root, config);
  pivot(b, root, linux.rootfsPropagation);

  if (terminal === undefined) connectPipes(b, stdin);
  else connectTerminal(b, terminal);
  ownStreams(b, process.user.uid, plan.stdin === 'pipe' || process.terminal);
  closeHostFds(b);
  becomeProcess(b, process, plan.seccomp, needsClone);
  return { program: verify(b.build()), cloneFlags: clonesPid ? ['CLONE_NEWPID'] : [] };
}

/** A process in a container that runs already. Always in the shim: untrusted processes live where it goes. */
export function compileExec(plan: ExecPlan, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  const { process } = plan;
  closeOnExec(b);
  joinCgroups(b, plan.cgroupProcs);
  setOomScore(b, process);
  joinProcess(b, ['mount', 'uts', 'ipc', 'network', 'pid', 'cgroup']);
  if (process.terminal) connectTerminal(b, openTerminalInContainer(b, process));
  else connectPipes(b, undefined);
  ownStreams(b, process.user.uid, true);
  closeHostFds(b);
  becomeProcess(b, process, plan.seccomp, true);
  return { program: verify(b.build()), cloneFlags: [] };
}

/** The end of every program: from root of the host, inside the container, to the payload. */
function becomeProcess(
  b: ProgramBuilder,
  process: OciProcess,
  seccomp: SeccompFilter | undefined,
  needsClone: boolean,
): void {
  setLimits(b, process);
  b.phase('working directory');
  const entered = notEntered(b);
  enterWorkingDirectory(b, process.cwd, entered);
  if (seccomp !== undefined && !process.noNewPrivileges) {
    becomeFilteredWithPrivileges(b, process, seccomp, entered, needsClone);
    return;
  }
  setIdentity(b, process);
  enterWorkingDirectory(b, process.cwd, entered);
  checkWorkingDirectory(b, entered);
  if (needsClone) b.clone();
  becomeSessionLeader(b, process.terminal);
  dieWithParent(b);
  setUmask(b, process);
  unblockSignals(b);
  // With no_new_privs anybody may: a profile must allow execve, and nothing else of what is done here.
  if (seccomp !== undefined) installFilter(b, seccomp);
  execute(b, process);
}

/**
 * Without no_new_privs only CAP_SYS_ADMIN may install a filter, which the process must not keep: the last capset comes
 * after it. A profile must allow capset and execve; and, where the program goes on in a sibling, which must have no more
 * privileges than the untrusted processes that see it, what that one has left to do: clone, setsid, prctl, the ioctl for a
 * terminal, and exit_group for the first process. (prctl also where there are ambient capabilities.)
 */
function becomeFilteredWithPrivileges(
  b: ProgramBuilder,
  process: OciProcess,
  seccomp: SeccompFilter,
  entered: DataOperand,
  needsClone: boolean,
): void {
  setIds(b, process);
  clearAmbient(b);
  enterWorkingDirectory(b, process.cwd, entered);
  checkWorkingDirectory(b, entered);
  const lead = (): void => {
    becomeSessionLeader(b, process.terminal);
    dieWithParent(b);
  };
  if (!needsClone) lead();
  setUmask(b, process);
  unblockSignals(b);
  raiseSysAdmin(b, process);
  installFilter(b, seccomp);
  setCapabilities(b, process);
  raiseAmbient(b, process);
  if (needsClone) {
    b.clone();
    lead();
  }
  execute(b, process);
}

/** Starts podspace-shim with a program of its own; `argv` names the fds of program and report. */
export function compileShimStart(
  programFd: number,
  reportFd: number,
  inherited: readonly string[],
  arch: Arch,
): Compiled {
  const b = new ProgramBuilder(arch);
  closeOnExec(b);
  keepStandardStreams(b);
  executeShim(b, ['podspace-shim', String(programFd), String(reportFd)], ['program', 'report', ...inherited]);
  return { program: verify(b.build()), cloneFlags: [] };
}
