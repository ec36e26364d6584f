import { CLONE, CLOSE_RANGE } from '../../linux/constants.generated.ts';
import { NAMESPACES } from '../../linux/namespaces.ts';
import type { OciNamespace } from '../../oci/config.ts';
import { flags, named, num, type ProgramBuilder } from '../builder.ts';
import type { ContainerPlan } from '../plan.ts';
import type { SlotOperand } from '../program.ts';
import { openHost } from '../root-paths.ts';

/** The highest fd number there is: close_range(2)'s "all from here". */
export const ALL_FDS = named(0xffffffff, '~0U');

/** From the first instruction on nothing of Node's can survive an execve (runtime-hardening: CVE-2024-21626). */
export function closeOnExec(b: ProgramBuilder, preserved = 0): void {
  b.phase('file descriptors');
  b.call('close_range', [num(3 + preserved), ALL_FDS, flags(CLOSE_RANGE, 'CLOSE_RANGE_CLOEXEC')]);
}

/** Opens every namespace that is to be joined while the host's paths are still reachable. */
export function openNamespaces(
  b: ProgramBuilder,
  namespaces: readonly OciNamespace[],
): readonly (readonly [OciNamespace, SlotOperand])[] {
  const joined = namespaces.filter(namespace => namespace.path !== undefined);
  return joined.map(
    namespace => [namespace, openHost(b, namespace.path ?? '', 'O_RDONLY', 'O_CLOEXEC')] as const,
  );
}

export function setNamespace(b: ProgramBuilder, fd: SlotOperand, type: OciNamespace['type']): void {
  b.call('setns', [fd, flags(CLONE, NAMESPACES[type].flag)]);
}

/** Namespaces that the container gets anew and that are not made by the clone itself. */
export function unshare(b: ProgramBuilder, types: readonly OciNamespace['type'][]): void {
  if (types.length > 0) b.call('unshare', [flags(CLONE, ...types.map(type => NAMESPACES[type].flag))]);
}

/** Which of a container's namespaces are joined, cloned into, or unshared, and when. */
export interface NamespaceSteps {
  readonly joined: readonly OciNamespace[];
  readonly unshared: readonly OciNamespace['type'][];
  /** Last, so that what the container sees as the root of its cgroups is its own. */
  readonly newCgroup: readonly OciNamespace['type'][];
  /** Made in the shim, and in a user namespace after that one was entered. */
  readonly newPid: readonly OciNamespace['type'][];
  readonly cloneFlags: readonly 'CLONE_NEWPID'[];
  /**
   * In the shim the rest always runs in a sibling. Early where nobody who is in there can reach its memory: the container's
   * procfs is that of the process that mounts it. Late where it joins untrusted processes.
   */
  readonly clones: 'early' | 'late' | 'never';
  /** Only children of who makes one are in it. */
  readonly newTime: readonly OciNamespace['type'][];
}

export function planNamespaces({ config, runner }: ContainerPlan): NamespaceSteps {
  const { namespaces } = config.linux;
  const joined = namespaces.filter(({ path, type }) => path !== undefined && type !== 'user');
  const made = namespaces.filter(({ path }) => path === undefined).map(({ type }) => type);
  const isOwned = namespaces.some(({ type }) => type === 'user');
  const isDirect = runner === 'direct';
  const joinsPid = joined.some(({ type }) => type === 'pid');
  const newPid = made.filter(type => type === 'pid');
  return {
    joined,
    unshared: made.filter(type => !['cgroup', 'pid', 'time', 'user'].includes(type)),
    newCgroup: made.filter(type => type === 'cgroup'),
    newPid: isDirect ? [] : newPid,
    newTime: made.filter(type => type === 'time'),
    cloneFlags: isDirect && newPid.length > 0 ? ['CLONE_NEWPID'] : [],
    clones: isDirect ? 'never' : joinsPid && !isOwned ? 'late' : 'early',
  };
}

/** Moves this process into its cgroups (v1; on v2 it was born there). "0" is the writer itself, cgroups(7). */
export function joinCgroups(b: ProgramBuilder, procs: readonly string[]): void {
  for (const file of procs) {
    const fd = openHost(b, file, 'O_WRONLY', 'O_CLOEXEC');
    b.call('write', [fd, b.text('0'), num(1)]);
    b.call('close', [fd]);
  }
}
