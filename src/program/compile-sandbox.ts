/** What containers of a pod share, as syscall programs: made before them, in the order of this page. */
import type { Arch } from '../linux/arch.ts';
import { NAMESPACES } from '../linux/namespaces.ts';
import type { OciDeviceRule } from '../oci/config.ts';
import { flags, num, ProgramBuilder, parameter } from './builder.ts';
import type { Compiled } from './compile.ts';
import { newMount } from './mount-calls.ts';
import { loadDeviceRules } from './phases/device-rules.ts';
import { closeOnExec, joinCgroups, openNamespaces, setNamespace, unshare } from './phases/namespaces.ts';
import { becomeSessionLeader, dieWithParent, setIdentity } from './phases/process.ts';
import { attachRootfs, isolatePropagation, pivot } from './phases/rootfs.ts';
import {
  bringLoopbackUp,
  executeShim,
  exportDirectories,
  exportNamespaces,
  mountSandbox,
  mountSharedProc,
  openNetlink,
  setHostname,
} from './phases/sandbox.ts';
import { installFilter } from './phases/seccomp.ts';
import { setSysctls } from './phases/sysctls.ts';
import { enterUserNamespace, isUserNamespace } from './phases/user-namespace.ts';
import type { PausePlan, SandboxPlan } from './plan.ts';
import { verify } from './verify.ts';

/** The pod's shared namespaces. Runs with the runtime's own fd table, and leaves their fds there (`exports`: by pc). */
export interface CompiledSandbox extends Compiled {
  readonly exports: {
    readonly namespaces: ReadonlyMap<string, number>;
    readonly directories: ReadonlyMap<string, number>;
    readonly netlink: number | undefined;
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
  const exports = { namespaces, directories: new Map(), netlink: undefined };
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
  setSysctls(b, plan.sysctls);
  const namespaces = new Map([...mount, ...exportNamespaces(b, others)]);
  const netlink = plan.isWired ? openNetlink(b) : undefined;
  const cloned = isOwned ? (['mount'] as const) : plan.namespaces;
  const cloneFlags = ['CLONE_FILES', ...cloned.map(type => NAMESPACES[type].flag)] as const;
  const exports = { namespaces, directories, netlink };
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
  installFilter(b, plan.seccomp);
  executeShim(b, ['/pause'], []);
  return { program: verify(b.build()), cloneFlags: user === undefined ? ['CLONE_NEWPID'] : [] };
}
