import { closeSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { podSysctls } from '../kube/sysctls.ts';
import type { Pod } from '../kube/types.generated.ts';
import { makeTree } from '../native/exact-mode.ts';
import { type Child, execute, executeInShim, ProgramError, reap } from '../native/execute.ts';
import { SyscallError } from '../native/libc.ts';
import { hostArch } from '../native/library.ts';
import type { PodShim } from '../native/pod-shim.ts';
import { procfsFd } from '../native/procfs.ts';
import { shimFd } from '../native/shim.ts';
import type { CgroupPlan } from '../oci/cgroup-plan.ts';
import type { OciProcess } from '../oci/config.ts';
import { ID_RANGE_SIZE } from '../oci/generate.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';
import { idmappedName } from '../pipeline.ts';
import {
  type CompiledSandbox,
  compilePause,
  compileSandbox,
  compileUserNamespace,
} from '../program/compile-sandbox.ts';
import type { PausePlan, SandboxPlan } from '../program/plan.ts';
import { Cgroup, withCgroup } from './cgroups.ts';
import { waitForExit } from './child-exits.ts';
import type { Cleanup } from './cleanup.ts';
import type { PodObserver } from './run-options.ts';
import { isMemory, type VolumeOverlay } from './volume-places.ts';
import { tmpfsOptions } from './volumes.ts';

/** The namespaces that a pod's containers share, held open by fds of this process. */
export interface Sandbox {
  /** Where this process can reach the root of a tmpfs mount of the sandbox. */
  directory(path: string): string;
  /** fds of its network namespace, and of a netlink socket in it; undefined where it is not to be wired. */
  readonly network: { readonly namespace: number; readonly netlink: number } | undefined;
  /** PID 1 of the shared PID namespace. */
  readonly pause: Pick<Child, 'pid'> | undefined;
}

/** What the sandbox of a pod is made of. A hostNetwork pod has the host's UTS namespace with the host's network. */
export function planSandbox(
  pod: Pod,
  paths: PodPaths,
  nodename: string | undefined,
  layers: readonly string[],
  isWired: boolean,
  overlays: readonly VolumeOverlay[],
): SandboxPlan {
  const spec = pod.spec ?? { containers: [] };
  const memory = (spec.volumes ?? [])
    .filter(isMemory)
    .map(volume => ({ path: paths.volume(volume.name, true), options: tmpfsOptions(volume, spec) }));
  return {
    namespaces: [
      'mount',
      ...(spec.hostNetwork === true ? [] : (['network', 'uts'] as const)),
      ...(spec.hostIPC === true ? [] : (['ipc'] as const)),
    ],
    hostname: nodename,
    isWired: isWired && spec.hostNetwork !== true,
    sysctls: podSysctls(pod),
    isInUserNamespace: spec.hostUsers === false,
    trees:
      spec.hostUsers === false
        ? overlayTrees(paths, [...layers, ...overlays.flatMap(overlay => overlay.layers)])
        : [],
    overlays: overlays.map(overlay => ({
      path: overlay.path,
      base: spec.hostUsers === false ? paths.idmapped : paths.roots.state,
      lower: spec.hostUsers === false ? overlay.layers.map(idmappedName) : overlay.layers,
    })),
    tmpfs: [
      ...(spec.hostIPC === true ? [] : [{ path: paths.shm, options: 'mode=1777,size=65536k' }]),
      ...memory,
    ],
  };
}

/** What the pause process gets; asked for only if there is one. */
export interface PauseInput {
  readonly cgroup: CgroupPlan;
  readonly filter: () => SeccompFilter | { readonly error: string };
}

/** Why there is no sandbox, other than a system call that failed. */
export class SandboxError extends Error {}

/**
 * What overlayfs is to take with the pod's own ids has to have a path: it does not map ids itself. The writable layer has
 * the host's numbers of these ids on the disk: what the kernel makes there for itself belongs to the host's root.
 */
function overlayTrees(paths: PodPaths, layers: readonly string[]): SandboxPlan['trees'] {
  return [
    { source: paths.state, target: `${paths.idmapped}/pod`, isMapped: false },
    ...[...new Set(layers)].map(layer => ({
      source: `${paths.roots.state}/${layer}`,
      target: `${paths.idmapped}/${idmappedName(layer)}`,
      isMapped: true,
    })),
  ];
}

export interface SandboxInput {
  readonly pod: Pod;
  readonly paths: PodPaths;
  readonly nodename: string | undefined;
  /** Of the images of its containers. */
  readonly layers: readonly string[];
  readonly overlays: readonly VolumeOverlay[];
  /** It gets a network, unless it has the host's. */
  readonly isWired: boolean;
  /** The host's number of the pod's user 0; looked at only where it has a user namespace. */
  readonly hostRoot: number;
  readonly pause: PauseInput;
  /** Whose child the pause process becomes; without it, ours. */
  readonly shim?: PodShim | undefined;
}

function ownProcfs(): number {
  try {
    return procfsFd();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SandboxError(error.message);
  }
}

export async function createSandbox(
  { pod, paths, nodename, layers, overlays, isWired, hostRoot, pause: pauseInput, shim }: SandboxInput,
  cleanup: Cleanup,
  onTrace?: PodObserver['onTrace'],
): Promise<Sandbox> {
  const plan = planSandbox(pod, paths, nodename, layers, isWired, overlays);
  const places = [
    ...[...plan.tmpfs, ...plan.overlays].map(({ path }) => path),
    ...plan.trees.map(({ target }) => target),
  ];
  for (const path of places) makeTree(path, 0o700);
  const keep = (fds: SandboxFds): void => {
    cleanup.add('namespaces of the sandbox', () => {
      const netlink = fds.netlink === undefined ? [] : [fds.netlink];
      for (const fd of [...fds.namespaces.values(), ...fds.directories.values(), ...netlink]) closeSync(fd);
    });
    for (const [type, fd] of fds.namespaces) {
      symlinkSync(`/proc/${process.pid}/fd/${fd}`, paths.namespace(type));
      cleanup.keep(`namespace ${type}`, fd);
    }
    for (const [path, fd] of fds.directories) cleanup.keep(`directory ${path}`, fd);
    if (fds.netlink !== undefined) cleanup.keep('netlink', fds.netlink);
  };
  const users = plan.isInUserNamespace ? await createUserNamespace(hostRoot, onTrace) : undefined;
  if (users !== undefined) keep(users);
  const parameters: Record<string, number> =
    users === undefined ? {} : { userns: users.namespaces.get('user') ?? -1 };
  if (plan.sysctls.length > 0) parameters.procfs = ownProcfs();
  const fds = await openSandbox(compileSandbox(plan, hostArch()), onTrace, { parameters });
  keep(fds);
  const pausePlan = planPause(pod, paths, plan, pauseInput);
  const pause = pausePlan === undefined ? undefined : await startPause(pausePlan, pauseInput.cgroup, shim);
  if (pause !== undefined) {
    symlinkSync(`/proc/${pause.pid}/ns/pid`, paths.namespace('pid'));
    if (shim === undefined) void waitForExit(pause.pidfd);
  }
  const directory = (path: string): string => {
    const fd = fds.directories.get(path);
    return fd === undefined ? path : `/proc/self/fd/${fd}`;
  };
  const namespace = fds.namespaces.get('network');
  const network =
    namespace === undefined || fds.netlink === undefined ? undefined : { namespace, netlink: fds.netlink };
  return { directory, network, pause };
}

interface SandboxFds {
  readonly namespaces: ReadonlyMap<string, number>;
  readonly directories: ReadonlyMap<string, number>;
  readonly netlink: number | undefined;
}

interface SandboxHooks {
  readonly parameters?: Readonly<Record<string, number>>;
  /** Called when the child has ended, and is not reaped yet. */
  onEnded?(child: Child): void;
}

/**
 * A user namespace with the pod's range of ids. Who may write the maps is somebody outside, user_namespaces(7), and there
 * must be a process to name: one that has ended will do, until it is reaped.
 */
function createUserNamespace(hostRoot: number, onTrace: PodObserver['onTrace']): Promise<SandboxFds> {
  const map = `0 ${hostRoot} ${ID_RANGE_SIZE}`;
  return openSandbox(compileUserNamespace(hostArch()), onTrace, {
    onEnded: ({ pid }) => {
      for (const file of ['uid_map', 'gid_map']) writeFileSync(`/proc/${pid}/${file}`, map);
    },
  });
}

/** The child shares our fd table: what it opened stays open here, also when it failed half-way. */
async function openSandbox(
  compiled: CompiledSandbox,
  onTrace: PodObserver['onTrace'],
  { parameters = {}, onEnded }: SandboxHooks = {},
): Promise<SandboxFds> {
  const { exports, program } = compiled;
  try {
    const child = await execute(compiled, { parameters, timestamps: onTrace !== undefined });
    try {
      onEnded?.(child);
    } finally {
      reap(child);
    }
    onTrace?.('(sandbox)', program, child.report);
    const take = (slots: ReadonlyMap<string, number>): ReadonlyMap<string, number> =>
      new Map([...slots].map(([name, pc]) => [name, child.report.result(pc)] as const));
    const netlink = exports.netlink === undefined ? undefined : child.report.result(exports.netlink);
    return { namespaces: take(exports.namespaces), directories: take(exports.directories), netlink };
  } catch (error) {
    if (error instanceof ProgramError) {
      onTrace?.('(sandbox)', program, error.report);
      closeOpened(program, error);
    }
    throw error;
  }
}

const OPENS = new Set(['openat', 'openat2', 'socket', 'open_tree']);

function closeOpened(program: CompiledSandbox['program'], error: ProgramError): void {
  const closed = new Set(
    program.instructions.flatMap(({ name, operands: [first] }, pc) =>
      name === 'close' && pc < error.report.pc && first?.kind === 'slot' ? [first.pc] : [],
    ),
  );
  program.instructions.forEach(({ name = '' }, pc) => {
    const fd = error.report.result(pc);
    if (OPENS.has(name) && pc < error.report.pc && !closed.has(pc) && fd > 2) closeSync(fd);
  });
}

/** As a shim's process; no container has such a name. */
const PAUSE = '(pause)';

/** The user of the pause image, registry.k8s.io/pause. */
const PAUSE_USER = 65535;

/** The process that holds a shared PID namespace; undefined for a pod that shares none. */
export function planPause(
  pod: Pod,
  paths: PodPaths,
  sandbox: SandboxPlan,
  { cgroup, filter }: PauseInput,
): PausePlan | undefined {
  if (pod.spec?.shareProcessNamespace !== true || pod.spec.hostPID === true) return undefined;
  const seccomp = filter();
  if ('error' in seccomp) throw new SandboxError(seccomp.error);
  const context = pod.spec.securityContext ?? {};
  const process: OciProcess = {
    terminal: false,
    user: {
      uid: context.runAsUser ?? PAUSE_USER,
      gid: context.runAsGroup ?? PAUSE_USER,
      umask: 0o022,
      additionalGids: [],
    },
    args: ['/pause'],
    env: [],
    cwd: '/',
    capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
    rlimits: [],
    noNewPrivileges: true,
  };
  const types = [...sandbox.namespaces, ...(sandbox.isInUserNamespace ? (['user'] as const) : [])];
  const namespaces = types.map(type => ({ type, path: paths.namespace(type) }));
  return {
    namespaces,
    proc: paths.proc,
    root: `${paths.run}/pause`,
    process,
    seccomp,
    cgroupProcs: cgroup.joins,
  };
}

function startPause(plan: PausePlan, { path, joins }: CgroupPlan, shim: PodShim | undefined): Promise<Child> {
  for (const directory of [plan.root, plan.proc]) mkdirSync(directory, { mode: 0o700 });
  const compiled = compilePause(plan, hostArch());
  // Born in its cgroup where it need not join one.
  const cgroup = path === undefined ? undefined : new Cgroup(path, joins.length === 0);
  cgroup?.create();
  const run = plan.namespaces.some(({ type }) => type === 'user') ? executeInShim : execute;
  const parameters = { shim: shimFd() };
  return withCgroup(cgroup, fd =>
    shim === undefined
      ? run(compiled, { parameters, cgroup: fd })
      : shim.run(PAUSE, compiled, { parameters, ...(fd === undefined ? {} : { cgroup: fd }) }),
  );
}
