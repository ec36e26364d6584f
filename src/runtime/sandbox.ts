import { closeSync, mkdirSync, symlinkSync } from 'node:fs';
import type { Pod } from '../kube/types.generated.ts';
import { type Child, execute, ProgramError, reap } from '../native/execute.ts';
import { hostArch } from '../native/library.ts';
import { shimFd } from '../native/shim.ts';
import type { CgroupPlan } from '../oci/cgroup-plan.ts';
import type { OciProcess } from '../oci/config.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { SeccompFilter } from '../oci/seccomp/generate.ts';
import { type CompiledSandbox, compilePause, compileSandbox } from '../program/compile.ts';
import type { PausePlan, SandboxPlan } from '../program/plan.ts';
import { Cgroup, withCgroup } from './cgroups.ts';
import { waitForExit } from './child-exits.ts';
import type { Cleanup } from './cleanup.ts';
import type { PodObserver } from './run-options.ts';
import { isMemory, tmpfsOptions } from './volumes.ts';

/** The namespaces that a pod's containers share, held open by fds of this process. */
export interface Sandbox {
  /** Where this process can reach the root of a tmpfs mount of the sandbox. */
  directory(path: string): string;
  /** PID 1 of the shared PID namespace. */
  readonly pause: Child | undefined;
}

/** What the sandbox of a pod is made of. A hostNetwork pod has the host's UTS namespace with the host's network. */
export function planSandbox(pod: Pod, paths: PodPaths, nodename: string | undefined): SandboxPlan {
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

export async function createSandbox(
  pod: Pod,
  paths: PodPaths,
  nodename: string | undefined,
  { cgroup: pauseCgroup, filter }: PauseInput,
  cleanup: Cleanup,
  onTrace?: PodObserver['onTrace'],
): Promise<Sandbox> {
  const plan = planSandbox(pod, paths, nodename);
  for (const { path } of plan.tmpfs) mkdirSync(path, { recursive: true, mode: 0o700 });
  const compiled = compileSandbox(plan, hostArch());
  const fds = await openSandbox(compiled, onTrace);
  cleanup.add('namespaces of the sandbox', () => {
    for (const fd of [...fds.namespaces.values(), ...fds.directories.values()]) closeSync(fd);
  });
  for (const [type, fd] of fds.namespaces)
    symlinkSync(`/proc/${process.pid}/fd/${fd}`, paths.namespace(type));
  const pausePlan = planPause(pod, paths, plan, pauseCgroup.joins, filter);
  const pause = pausePlan === undefined ? undefined : await startPause(pausePlan, pauseCgroup);
  if (pause !== undefined) {
    symlinkSync(`/proc/${pause.pid}/ns/pid`, paths.namespace('pid'));
    void waitForExit(pause.pidfd);
  }
  const directory = (path: string): string => {
    const fd = fds.directories.get(path);
    return fd === undefined ? path : `/proc/self/fd/${fd}`;
  };
  return { directory, pause };
}

interface SandboxFds {
  readonly namespaces: ReadonlyMap<string, number>;
  readonly directories: ReadonlyMap<string, number>;
}

/** The child shares our fd table: what it opened stays open here, also when it failed half-way. */
async function openSandbox(compiled: CompiledSandbox, onTrace: PodObserver['onTrace']): Promise<SandboxFds> {
  const { exports, program } = compiled;
  try {
    const child = await execute(compiled, { timestamps: onTrace !== undefined });
    reap(child);
    onTrace?.('(sandbox)', program, child.report);
    const take = (slots: ReadonlyMap<string, number>): ReadonlyMap<string, number> =>
      new Map([...slots].map(([name, pc]) => [name, child.report.result(pc)] as const));
    return { namespaces: take(exports.namespaces), directories: take(exports.directories) };
  } catch (error) {
    if (error instanceof ProgramError) {
      onTrace?.('(sandbox)', program, error.report);
      closeOpened(program, error);
    }
    throw error;
  }
}

const OPENS = new Set(['openat', 'socket']);

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

/** The user of the pause image, registry.k8s.io/pause. */
const PAUSE_USER = 65535;

/** The process that holds a shared PID namespace; undefined for a pod that shares none. */
export function planPause(
  pod: Pod,
  paths: PodPaths,
  sandbox: SandboxPlan,
  cgroupProcs: readonly string[],
  filter: PauseInput['filter'],
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
  const namespaces = sandbox.namespaces.map(type => ({ type, path: paths.namespace(type) }));
  return { namespaces, proc: paths.proc, root: `${paths.run}/pause`, process, seccomp, cgroupProcs };
}

function startPause(plan: PausePlan, { path, joins }: CgroupPlan): Promise<Child> {
  for (const directory of [plan.root, plan.proc]) mkdirSync(directory, { mode: 0o700 });
  const compiled = compilePause(plan, hostArch());
  // Born in its cgroup where it need not join one.
  const cgroup = path === undefined ? undefined : new Cgroup(path, joins.length === 0);
  cgroup?.create();
  return withCgroup(cgroup, fd => execute(compiled, { parameters: { shim: shimFd() }, cgroup: fd }));
}
