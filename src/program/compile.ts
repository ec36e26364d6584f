/**
 * From an OCI config to a syscall program. This page is the order of things; each step's own reasons are in `phases/`.
 * The order is the kernel's: a step can need what a later one takes away (paths of the host, capabilities, memory).
 */
import type { Arch } from '../linux/arch.ts';
import type { CLONE } from '../linux/constants.generated.ts';
import { NAMESPACES } from '../linux/namespaces.ts';
import type { OciDeviceRule, OciProcess } from '../oci/config.ts';
import { flags, num, ProgramBuilder, parameter } from './builder.ts';
import { newMount } from './mount-calls.ts';
import { loadDeviceRules, restrictDevices } from './phases/device-rules.ts';
import { makeDevices, openNull } from './phases/devices.ts';
import { mountAll, openBindSources, sealTmpfs } from './phases/mounts.ts';
import {
  closeOnExec,
  joinCgroups,
  openNamespaces,
  planNamespaces,
  setNamespace,
  unshare,
} from './phases/namespaces.ts';
import {
  becomeSessionLeader,
  checkWorkingDirectory,
  dieWithParent,
  enterWorkingDirectory,
  execute,
  notEntered,
  setIdentity,
  setLimits,
  setOomScore,
  setUmask,
} from './phases/process.ts';
import { makePathsReadonly, maskPaths } from './phases/protected-paths.ts';
import { attachRootfs, isolatePropagation, makeRootfs, makeRootReadonly, pivot } from './phases/rootfs.ts';
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
import {
  closeHostFds,
  connectPipes,
  connectTerminal,
  openTerminal,
  openTerminalInContainer,
  ownStreams,
} from './phases/terminal.ts';
import {
  becomeRoot,
  enterUserNamespace,
  giveStreams,
  hostUid,
  isUserNamespace,
  openUserNamespace,
} from './phases/user-namespace.ts';
import type { ContainerPlan, ExecPlan, PausePlan, SandboxPlan } from './plan.ts';
import type { VerifiedProgram } from './program.ts';
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

/** The filter of device rules, which the runtime keeps for all containers: `filter` is the pc of its fd. */
export function compileDeviceRules(
  rules: readonly OciDeviceRule[],
  arch: Arch,
): Compiled & { readonly filter: number } {
  const b = new ProgramBuilder(arch);
  const { pc } = loadDeviceRules(b, rules);
  return { program: verify(b.build()), cloneFlags: ['CLONE_FILES'], filter: pc };
}

/** A user namespace of its own for a pod. Its maps are written by the runtime, before it reaps this process. */
export function compileUserNamespace(arch: Arch): CompiledSandbox {
  const b = new ProgramBuilder(arch);
  const namespaces = exportNamespaces(b, ['user']);
  const exports = { namespaces, directories: new Map() };
  return { program: verify(b.build()), cloneFlags: ['CLONE_FILES', 'CLONE_NEWUSER'], exports };
}

export function compileSandbox(plan: SandboxPlan, arch: Arch): CompiledSandbox {
  const b = new ProgramBuilder(arch);
  const isOwned = plan.isInUserNamespace;
  // The pod's tmpfs and id-mapped trees stay the host's, so that only podspace can see them all.
  if (plan.namespaces.includes('mount')) mountSandbox(b, plan);
  const directories = exportDirectories(
    b,
    plan.tmpfs.map(({ path }) => path),
  );
  const mount = exportNamespaces(b, ['mount']);
  const others = plan.namespaces.filter(type => type !== 'mount');
  if (isOwned) {
    enterUserNamespace(b, parameter('userns'));
    unshare(b, others);
  }
  if (plan.hostname !== undefined) setHostname(b, plan.hostname);
  if (plan.namespaces.includes('network')) bringLoopbackUp(b);
  const namespaces = new Map([...mount, ...exportNamespaces(b, others)]);
  const cloned = isOwned ? (['mount'] as const) : plan.namespaces;
  const cloneFlags = ['CLONE_FILES', ...cloned.map(type => NAMESPACES[type].flag)] as const;
  const exports = { namespaces, directories };
  return { program: verify(b.build()), cloneFlags, exports };
}

/** PID 1 of a shared PID namespace: an empty root, no capabilities, no file of the host. */
export function compilePause(plan: PausePlan, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  const user = plan.namespaces.find(isUserNamespace);
  closeOnExec(b);
  joinCgroups(b, plan.cgroupProcs);
  b.phase('namespaces');
  for (const [{ type }, fd] of openNamespaces(
    b,
    plan.namespaces.filter(one => one !== user),
  ))
    setNamespace(b, fd, type);
  b.call('chdir', [b.text(plan.root)]);
  if (user === undefined) mountSharedProc(b, plan.proc);
  else {
    const [[, fd] = []] = openNamespaces(b, [user]);
    if (fd !== undefined) enterUserNamespace(b, fd);
    unshare(b, ['pid']);
    b.clone();
  }
  unshare(b, ['mount']);
  isolatePropagation(b);
  const root = newMount(b, 'tmpfs', 'tmpfs', ['ro', 'nosuid', 'nodev', 'noexec', 'size=4k', 'mode=755']);
  attachRootfs(b, root);
  pivot(b, root, undefined);
  becomeSessionLeader(b, false);
  setIdentity(b, plan.process);
  dieWithParent(b);
  b.call('close_range', [num(0), num(2), flags({})]);
  executeShim(b, ['/pause'], []);
  return { program: verify(b.build()), cloneFlags: user === undefined ? ['CLONE_NEWPID'] : [] };
}

/** A container. */
export function compileContainer(plan: ContainerPlan, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  const { config } = plan;
  const { process, linux } = config;
  const steps = planNamespaces(plan);

  closeOnExec(b);
  joinCgroups(b, plan.cgroupProcs);
  setOomScore(b, process);
  restrictDevices(b, plan.deviceCgroup);

  const user = openUserNamespace(b, config, plan.maskedDirectories);
  b.phase('sources');
  const hostSources = openBindSources(b, plan, 'host', user);
  const joined = openNamespaces(b, steps.joined);
  b.phase('namespaces');
  const sandboxMounts =
    plan.sandboxMounts === undefined
      ? []
      : openNamespaces(b, [{ type: 'mount', path: plan.sandboxMounts.namespace }]);
  for (const [namespace, fd] of [...sandboxMounts, ...joined]) setNamespace(b, fd, namespace.type);
  const sandboxSources = openBindSources(b, plan, 'sandbox', user);
  const root = makeRootfs(b, plan.rootfs);
  if (user !== undefined) {
    giveStreams(b, hostUid(process.user.uid, linux), ownedStreams(plan));
    enterUserNamespace(b, user.fd);
    // Here and not at the end: the container's procfs is that of the process that mounts it. Nobody in there can reach
    // this process' memory, which belongs to the host's user namespace.
    unshare(b, steps.newPid);
    b.clone();
  }
  unshare(b, steps.unshared);
  unshare(b, steps.newCgroup);
  if (config.hostname !== undefined && steps.unshared.includes('uts')) setHostname(b, config.hostname);
  if (steps.unshared.includes('network')) bringLoopbackUp(b);

  isolatePropagation(b);
  attachRootfs(b, root);
  const paths = new RootPaths(b, root);
  const unsealed = mountAll(b, paths, plan, new Map([...hostSources, ...sandboxSources]));
  makeDevices(b, paths, config, user);
  sealTmpfs(b, unsealed);
  maskPaths(b, paths, plan, user);
  makePathsReadonly(b, paths, config);
  paths.directory(process.cwd);
  const terminal = process.terminal ? openTerminal(b, paths, process) : undefined;
  const stdin = !process.terminal && plan.stdin === 'null' ? openNull(b, paths.directory('/dev')) : undefined;
  makeRootReadonly(b, root, config);
  pivot(b, root, linux.rootfsPropagation);

  if (terminal === undefined) connectPipes(b, stdin);
  else connectTerminal(b, terminal);
  if (user === undefined || process.terminal)
    ownStreams(b, process.user.uid, plan.stdin === 'pipe' || process.terminal);
  closeHostFds(b);
  becomeProcess(b, process, { needsClone: steps.needsClone, isDetachable: false });
  return { program: verify(b.build()), cloneFlags: steps.cloneFlags };
}

/** The runtime's pipes that the container's user gets. */
const ownedStreams = ({ stdin, config }: ContainerPlan): readonly string[] => {
  if (config.process.terminal) return [];
  return stdin === 'pipe' ? ['stdin', 'stdout', 'stderr'] : ['stdout', 'stderr'];
};

const EXEC_NAMESPACES = ['mount', 'uts', 'ipc', 'network', 'pid', 'cgroup'] as const;

/** A process in a container that runs already. Always in the shim: untrusted processes live where it goes. */
export function compileExec(plan: ExecPlan, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  const { process } = plan;
  closeOnExec(b);
  joinCgroups(b, plan.cgroupProcs);
  setOomScore(b, process);
  if (plan.hostRoot === undefined) joinProcess(b, EXEC_NAMESPACES);
  else {
    if (!process.terminal) giveStreams(b, plan.hostRoot + process.user.uid, ['stdin', 'stdout', 'stderr']);
    joinProcess(b, ['user', ...EXEC_NAMESPACES]);
    becomeRoot(b);
  }
  if (process.terminal) connectTerminal(b, openTerminalInContainer(b, process));
  else connectPipes(b, undefined);
  if (plan.hostRoot === undefined || process.terminal) ownStreams(b, process.user.uid, true);
  closeHostFds(b);
  becomeProcess(b, process, { needsClone: true, isDetachable: plan.isDetachable });
  return { program: verify(b.build()), cloneFlags: [] };
}

/** The end of every program: from root of the host, inside the container, to the payload. */
function becomeProcess(
  b: ProgramBuilder,
  process: OciProcess,
  { needsClone, isDetachable }: { readonly needsClone: boolean; readonly isDetachable: boolean },
): void {
  setLimits(b, process);
  b.phase('working directory');
  const entered = notEntered(b);
  enterWorkingDirectory(b, process.cwd, entered);
  setIdentity(b, process);
  enterWorkingDirectory(b, process.cwd, entered);
  checkWorkingDirectory(b, entered);
  if (needsClone) b.clone();
  becomeSessionLeader(b, process.terminal);
  if (!isDetachable) dieWithParent(b);
  setUmask(b, process);
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
