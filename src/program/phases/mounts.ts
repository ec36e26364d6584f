import { F } from '../../linux/constants.generated.ts';
import { type ParsedMountOptions, parseMountOptions } from '../../linux/mount-options.ts';
import type { OciMount } from '../../oci/config.ts';
import { flags, num, type ProgramBuilder, parameter } from '../builder.ts';
import { cloneSubPath, cloneTree, moveMount, newMount, setAttributes } from '../mount-calls.ts';
import type { ContainerPlan } from '../plan.ts';
import type { SlotOperand } from '../program.ts';
import type { RootPaths } from '../root-paths.ts';
import { mapIds, type UserNamespace } from './user-namespace.ts';

/** Detached trees of the bind mounts' sources. */
export type BindSources = ReadonlyMap<OciMount, SlotOperand>;

/** Opens the sources of bind mounts while the namespace that holds them is the current one. */
export function openBindSources(
  b: ProgramBuilder,
  plan: ContainerPlan,
  where: 'host' | 'sandbox',
  user: UserNamespace | undefined,
): BindSources {
  const sources = new Map<OciMount, SlotOperand>();
  for (const mount of plan.config.mounts) {
    const options = parseMountOptions(mount.options);
    if (!options.isBind || (isInSandbox(plan, mount) ? 'sandbox' : 'host') !== where) continue;
    const subPath = plan.subPaths[mount.destination];
    const source =
      subPath === undefined
        ? cloneTree(b, mount.source, options.isRecursiveBind)
        : cloneSubPath(b, subPath, options.isRecursiveBind);
    if (options.isIdMapped && user !== undefined) mapIds(b, source, user.idmap);
    sources.set(mount, source);
  }
  return sources;
}

function isInSandbox(plan: ContainerPlan, mount: OciMount): boolean {
  return (
    plan.sandboxMounts?.paths.some(path => mount.source === path || mount.source.startsWith(`${path}/`)) ===
    true
  );
}

/** Filesystems whose files get the container's SELinux label; the others have labels of their own. */
const LABELLED = ['tmpfs', 'devpts'];

/**
 * All mounts of the config, in its order: each is complete, attributes and all, before it becomes visible. Only a
 * read-only tmpfs has to stay writable until what goes into it is there; those are returned, for {@link sealTmpfs}.
 */
export function mountAll(
  b: ProgramBuilder,
  paths: RootPaths,
  plan: ContainerPlan,
  sources: BindSources,
): readonly SlotOperand[] {
  b.phase('mounts');
  const unsealed: SlotOperand[] = [];
  const { mountLabel } = plan.config.linux;
  for (const mount of plan.config.mounts) {
    const options = parseMountOptions(mount.options);
    const source = sources.get(mount);
    if (source !== undefined) setBindAttributes(b, source, options);
    const isSealedLater = mount.type === 'tmpfs' && options.set.includes('MOUNT_ATTR_RDONLY');
    const made =
      source ??
      madeByRuntime(b, plan.madeMounts?.get(mount)) ??
      newMount(b, mount.type, mount.source, [
        ...mount.options,
        ...(isSealedLater ? ['rw'] : []),
        ...(mountLabel !== undefined && LABELLED.includes(mount.type) ? [`context=${mountLabel}`] : []),
      ]);
    if (isSealedLater) unsealed.push(made);
    const target = plan.fileMounts.includes(mount.destination)
      ? paths.file(mount.destination)
      : mountPoint(paths, mount);
    moveMount(b, made, target);
    paths.mounted(mount.destination, made);
  }
  return unsealed;
}

/** A copy of the fd: what is known of a place in the root is a slot. */
function madeByRuntime(b: ProgramBuilder, name: string | undefined): SlotOperand | undefined {
  if (name === undefined) return undefined;
  return b.call('fcntl', [parameter(name), flags(F, 'F_DUPFD_CLOEXEC'), num(0)]);
}

export function sealTmpfs(b: ProgramBuilder, mounts: readonly SlotOperand[]): void {
  for (const mount of mounts) setAttributes(b, mount, { set: ['MOUNT_ATTR_RDONLY'] });
}

/**
 * A proc or sysfs must not be led elsewhere by a link of the image (CVE-2019-19921): where the link goes through a volume,
 * the masks would be looked for in another place than it was mounted at, not be found there, and leave it open. The
 * procfs of a shared PID namespace is a bind mount.
 */
function mountPoint(paths: RootPaths, mount: OciMount): SlotOperand {
  const isKernels = ['proc', 'sysfs'].includes(mount.type) || ['/proc', '/sys'].includes(mount.destination);
  return paths.directory(mount.destination, { noSymlinks: isKernels });
}

function setBindAttributes(b: ProgramBuilder, source: SlotOperand, options: ParsedMountOptions): void {
  // A clone is in its source's peer group until told otherwise: without a word of the config, nothing may travel.
  setAttributes(b, source, {
    propagation: options.propagation ?? 'MS_PRIVATE',
    recursive: options.propagation === undefined || options.isPropagationRecursive,
  });
  setAttributes(b, source, { set: options.set, clear: options.clear });
  setAttributes(b, source, { set: options.setRecursive, clear: options.clearRecursive, recursive: true });
}
