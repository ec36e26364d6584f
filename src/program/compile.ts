/**
 * From an OCI config to a syscall program. This page is the order of things; each step's own reasons are in `phases/`.
 * The order is the kernel's: a step can need what a later one takes away (paths of the host, capabilities, memory).
 */
import type { Arch } from '../linux/arch.ts';
import type { CLONE } from '../linux/constants.generated.ts';
import { becomeProcess } from './become-process.ts';
import { num, ProgramBuilder } from './builder.ts';
import { restrictDevices } from './phases/device-rules.ts';
import { makeDevices, openNull } from './phases/devices.ts';
import { closeAllButGate, keepPreserved, waitForHooks } from './phases/gate.ts';
import { setLabels } from './phases/labels.ts';
import { mountAll, openBindSources, sealTmpfs } from './phases/mounts.ts';
import {
  closeOnExec,
  joinCgroups,
  openNamespaces,
  planNamespaces,
  setNamespace,
  unshare,
} from './phases/namespaces.ts';
import { setPersonality, setTimeOffsets } from './phases/oci-only.ts';
import { setOomScore } from './phases/process.ts';
import { makePathsReadonly, maskPaths } from './phases/protected-paths.ts';
import { attachRootfs, isolatePropagation, makeRootfs, makeRootReadonly, pivot } from './phases/rootfs.ts';
import {
  bringLoopbackUp,
  executeShim,
  joinProcess,
  keepStandardStreams,
  setDomainname,
  setHostname,
} from './phases/sandbox.ts';
import { setSysctls } from './phases/sysctls.ts';
import {
  closeHostFds,
  connectPipes,
  connectTerminal,
  keepStreams,
  openTerminal,
  openTerminalInContainer,
  ownStreams,
} from './phases/terminal.ts';
import {
  becomeRoot,
  enterUserNamespace,
  giveStreams,
  hostUid,
  openUserNamespace,
} from './phases/user-namespace.ts';
import type { ContainerPlan, ExecPlan, InheritedStreams } from './plan.ts';
import type { VerifiedProgram } from './program.ts';
import { openHost, RootPaths } from './root-paths.ts';
import { verify } from './verify.ts';

/** A program and the namespaces that its first process is cloned into. */
export interface Compiled {
  readonly program: VerifiedProgram;
  readonly cloneFlags: readonly (keyof typeof CLONE)[];
}

/** A container. */
export function compileContainer(plan: ContainerPlan, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  const { config } = plan;
  const { process, linux } = config;
  const steps = planNamespaces(plan);

  closeOnExec(b, plan.gate?.preserved);
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
  const root = makeRootfs(b, plan.rootfs, linux.mountLabel);
  if (user !== undefined) {
    giveStreams(b, hostUid(process.user.uid, linux), ownedStreams(plan));
    if (plan.inherited !== undefined)
      keepStreams(b, plan.inherited, hostUid(process.user.uid, linux), undefined);
    enterUserNamespace(b, user.fd);
  }
  if (steps.clones === 'early') {
    unshare(b, [...steps.newPid, ...steps.newTime]);
    setTimeOffsets(b, linux.timeOffsets);
    b.clone(plan.gate !== undefined);
  } else {
    unshare(b, steps.newTime);
    setTimeOffsets(b, linux.timeOffsets);
  }
  unshare(b, steps.unshared);
  unshare(b, steps.newCgroup);
  if (config.hostname !== undefined && steps.unshared.includes('uts')) setHostname(b, config.hostname);
  if (config.domainname !== undefined) setDomainname(b, config.domainname);
  if (steps.unshared.includes('network')) bringLoopbackUp(b);
  setSysctls(b, plan.sysctls ?? []);

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
  const needsNull = plan.stdin === 'null' || (plan.inherited?.null ?? []).length > 0;
  const stdin = !process.terminal && needsNull ? openNull(b, paths.directory('/dev')) : undefined;
  makeRootReadonly(b, root, config);
  if (plan.gate?.hasHooks === true) waitForHooks(b);
  pivot(b, root, linux.rootfsPropagation);

  if (terminal !== undefined) connectTerminal(b, terminal);
  else if (plan.inherited === undefined) connectPipes(b, stdin);
  else
    keepStreams(b, user === undefined ? plan.inherited : NOT_OWNED(plan.inherited), process.user.uid, stdin);
  if (process.terminal || (user === undefined && plan.inherited === undefined))
    ownStreams(b, process.user.uid, plan.stdin === 'pipe' || process.terminal);
  setLabels(b, process);
  setPersonality(b, linux.personality);
  const agent =
    plan.gate === undefined
      ? closeHostFds(b, plan.isAudited ? 'audit' : undefined)
      : closeAllButGate(b, plan.gate);
  const filter = plan.isAudited ? 'audit' : plan.seccomp;
  becomeProcess(b, process, {
    filter,
    needsClone: steps.clones === 'late',
    isDetachable: plan.gate !== undefined,
    gate: plan.gate,
    agent,
  });
  return { program: verify(b.build()), cloneFlags: steps.cloneFlags };
}

/** They have been given away on the other side. */
const NOT_OWNED = (streams: InheritedStreams): InheritedStreams => ({ ...streams, owned: [] });

/** The runtime's pipes that the container's user gets. */
const ownedStreams = ({ stdin, config }: ContainerPlan): readonly string[] => {
  if (config.process.terminal || stdin === 'inherit') return [];
  return stdin === 'pipe' ? ['stdin', 'stdout', 'stderr'] : ['stdout', 'stderr'];
};

const EXEC_NAMESPACES = ['mount', 'uts', 'ipc', 'network', 'pid', 'cgroup'] as const;

/** A process in a container that runs already. Always in the shim: untrusted processes live where it goes. */
export function compileExec(plan: ExecPlan, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  const { process } = plan;
  closeOnExec(b, plan.inherited?.preserved);
  joinCgroups(b, plan.cgroupProcs);
  setOomScore(b, process);
  if (plan.hostRoot === undefined) joinProcess(b, EXEC_NAMESPACES);
  else {
    if (!process.terminal && plan.inherited === undefined)
      giveStreams(b, plan.hostRoot + process.user.uid, ['stdin', 'stdout', 'stderr']);
    joinProcess(b, ['user', ...EXEC_NAMESPACES]);
    becomeRoot(b);
  }
  const { inherited } = plan;
  if (process.terminal) connectTerminal(b, openTerminalInContainer(b, process));
  else if (inherited === undefined) connectPipes(b, undefined);
  else keepStreams(b, inherited, process.user.uid, undefined);
  if (process.terminal || (plan.hostRoot === undefined && inherited === undefined))
    ownStreams(b, process.user.uid, true);
  setLabels(b, process);
  const agent = closeHostFds(
    b,
    plan.seccomp?.listener === undefined ? undefined : 'agent',
    inherited?.preserved,
  );
  const { seccomp: filter, isDetachable } = plan;
  becomeProcess(b, process, { filter, needsClone: true, isDetachable, agent });
  return { program: verify(b.build()), cloneFlags: [] };
}

/** The fds that podspace-shim finds in its arguments, by the names of the parameters that they come from. */
export const SHIM_FDS = ['program', 'report', 'sibling'] as const;

/** Starts podspace-shim with a program of its own. */
export function compileShimStart(
  fds: Readonly<Record<(typeof SHIM_FDS)[number], number>>,
  inherited: readonly string[],
  arch: Arch,
  preserved = 0,
): Compiled {
  const b = new ProgramBuilder(arch);
  closeOnExec(b, preserved);
  keepPreserved(b, preserved);
  keepStandardStreams(b);
  executeShim(b, ['podspace-shim', ...SHIM_FDS.map(name => String(fds[name]))], [...SHIM_FDS, ...inherited]);
  return { program: verify(b.build()), cloneFlags: [] };
}

/** Starts podspace-shim as the keeper of a pod: a session of its own, and nothing open but what it is given. */
export function compileKeeperStart(
  fds: { readonly listener: number; readonly records: number },
  arch: Arch,
): Compiled {
  const b = new ProgramBuilder(arch);
  closeOnExec(b);
  b.call('setsid', []);
  b.call('chdir', [b.text('/')]);
  const nothing = openHost(b, '/dev/null', 'O_RDWR', 'O_CLOEXEC');
  for (const fd of [0, 1, 2]) b.call('dup3', [nothing, num(fd), num(0)]);
  executeShim(b, ['/pod', String(fds.listener), String(fds.records)], ['listener', 'records']);
  return { program: verify(b.build()), cloneFlags: [] };
}
