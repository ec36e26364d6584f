import { chownSync, closeSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Image } from '../image/store.ts';
import type { Container } from '../kube/types.generated.ts';
import { ERRNO, IOCTL } from '../linux/constants.generated.ts';
import { describeErrno } from '../linux/errno.ts';
import { makeDirectories } from '../native/exact-mode.ts';
import { type Child, execute, executeInShim, ProgramError } from '../native/execute.ts';
import { rawSyscall } from '../native/libc.ts';
import { emptyPipe, makePipe, makeSocketPair, receiveFd } from '../native/pipe.ts';
import { procfsFd } from '../native/procfs.ts';
import type { CgroupPlan } from '../oci/cgroup-plan.ts';
import type { OciProcess } from '../oci/config.ts';
import type { ContainerInput, ContainerStages } from '../pipeline.ts';
import { compileStages } from '../pipeline.ts';
import type { Report } from '../program/decode.ts';
import { Cgroup, CgroupError, createCgroup, withCgroup } from './cgroups.ts';
import { type Exit, waitForExit } from './child-exits.ts';
import { deviceFilter } from './device-filter.ts';
import type { Keeper, Kept } from './keeper.ts';
import { hasOomKill, removeCgroup } from './pod-cgroup.ts';
import type { ContainerRecord } from './pod-directory.ts';
import { recordFilter } from './seccomp.ts';
import { TerminationLog } from './termination-message.ts';

/** Our ends of what a started container reads and writes. */
export interface ContainerStreams {
  readonly stdin: number | undefined;
  readonly stdout: number | undefined;
  readonly stderr: number | undefined;
  /** The master of its terminal, instead of the others. */
  readonly terminal: number | undefined;
}

export type OwnStreams = { -readonly [K in keyof ContainerStreams]: number | undefined };

/** What must be known of a container for as long as it runs. */
export interface ContainerFacts {
  /** For other commands, but for the process itself. */
  readonly record: Omit<ContainerRecord, 'pid' | 'startTime' | 'started' | 'ready'>;
  readonly cgroup: CgroupPlan;
  /** Its processes end with its main one. */
  readonly hasOwnPids: boolean;
}

export interface StartedContainer {
  readonly child: Pick<Child, 'pid' | 'pidfd'>;
  readonly facts: ContainerFacts;
  readonly exited: Promise<Exit>;
  readonly streams: ContainerStreams;
  readonly cgroup: Cgroup | undefined;
  readonly terminationLog: TerminationLog;
  readonly warnings: readonly string[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** What probes had said of one that was found running. */
  readonly known?: { readonly started: boolean; readonly ready: boolean };
  /** How it was made; of one that was found running nobody remembers. */
  readonly made: { readonly stages: ContainerStages; readonly report: Report } | undefined;
}

/** Why a container did not start; `reason` is Kubernetes' word for it. */
export class ContainerStartError extends Error {
  readonly reason: 'CreateContainerConfigError' | 'CreateContainerError' | 'StartError';
  /** The program and its results, where one ran. */
  readonly programError: ProgramError | undefined;

  constructor(reason: ContainerStartError['reason'], message: string, programError?: ProgramError) {
    super(message, { cause: programError });
    this.name = 'ContainerStartError';
    this.reason = reason;
    this.programError = programError;
  }
}

export interface StartOptions {
  readonly trace: boolean;
  readonly sandbox: Promise<unknown>;
  readonly auditSocket?: number | undefined;
  readonly keeper?: Keeper | undefined;
}

/**
 * Compiles one container, and starts it when the sandbox is there. On an error nothing is left open. `auditSocket` is where
 * the listener of an audit goes.
 */
export async function startContainer(
  input: ContainerInput,
  image: Image | undefined,
  { trace, sandbox, auditSocket, keeper }: StartOptions,
): Promise<StartedContainer> {
  const stages = compileStages(input);
  if ('error' in stages) throw new ContainerStartError(stages.reason, stages.error);
  const { paths, container, attempt } = input;
  keeper?.clear(container.name, attempt);
  mkdirSync(dirname(paths.layer(container.name, attempt, 'upper')), { mode: 0o700 });
  makeDirectories(paths.layer(container.name, attempt, 'upper'), 0o755);
  if (input.hostRoot !== 0)
    chownSync(paths.layer(container.name, attempt, 'upper'), input.hostRoot, input.hostRoot);
  mkdirSync(paths.layer(container.name, attempt, 'work'), { mode: 0o700 });
  if (stages.imageVolumes.length > 0) await makeImageVolumes(stages, input);
  const { cgroup, warnings } = await makeCgroup(stages.cgroup, input, attempt > 0 || keeper !== undefined);
  const filter = stages.plan.deviceCgroup === undefined ? undefined : deviceFilter();
  filter?.catch(() => {});
  const terminationLog = TerminationLog.create(paths.terminationLog(container.name, attempt));
  const facts = factsOf(container, image, stages);
  try {
    await sandbox;
    const parameters: Record<string, number> = {
      ...(filter === undefined ? {} : { devices: await filter }),
      ...procfsFor(stages.oci.process),
      ...(auditSocket === undefined ? {} : { audit: auditSocket }),
    };
    const kept = keeper?.keep(container.name, attempt, facts);
    const startedAt = Date.now();
    const { child, exited, streams } = await launch(
      stages.compiled,
      { runner: stages.plan.runner, stdin: input.stdin, process: stages.oci.process },
      { cgroup, trace, parameters, ...(kept === undefined ? {} : { kept }) },
    );
    return {
      child,
      exited,
      streams,
      startedAt,
      cgroup,
      terminationLog,
      facts,
      warnings: [...stages.warnings, ...warnings],
      made: { stages, report: child.report },
    };
  } catch (error) {
    terminationLog.close();
    throw error instanceof ContainerStartError ? withLackOfMemory(error, stages) : error;
  }
}

function factsOf(container: Container, image: Image | undefined, stages: ContainerStages): ContainerFacts {
  return {
    record: {
      name: container.name,
      image: image?.reference ?? '',
      imageId: image?.id ?? '',
      process: stages.oci.process,
      seccomp: recordFilter(stages.plan.seccomp),
      cgroup: stages.cgroup.path,
      cgroupProcs: stages.cgroup.joins,
    },
    cgroup: stages.cgroup,
    hasOwnPids: stages.security.namespaces.pid === 'container',
  };
}

/** A limit can be too small for what starts a container, too. */
function withLackOfMemory(error: ContainerStartError, { oci, cgroup }: ContainerStages): ContainerStartError {
  const { memory } = oci.linux.resources;
  const isShort = memory !== undefined && error.programError?.errno === ERRNO.ENOMEM;
  if (!isShort && !hasOomKill(cgroup)) return error;
  const what =
    memory === undefined ? 'what the pod may have of memory is' : `${memory.limit} bytes of memory are`;
  const message = `${error.message}: ${what} too little to start a container`;
  return new ContainerStartError(error.reason, message, error.programError);
}

/** Few images have any: what makes them is loaded for those. */
async function makeImageVolumes({ imageVolumes }: ContainerStages, input: ContainerInput): Promise<void> {
  const { fillImageVolumes } = await import('./image-volumes.ts');
  const layers = input.image.layers.map(layer => `${input.paths.roots.state}/${layer}`);
  const error = await fillImageVolumes(imageVolumes, layers);
  if (error !== undefined) throw new ContainerStartError('CreateContainerError', error);
}

/** Labels are written through a procfs of podspace's own. */
export function procfsFor({ apparmorProfile, selinuxLabel }: OciProcess): { readonly procfs?: number } {
  return apparmorProfile === undefined && selinuxLabel === undefined ? {} : { procfs: procfsFd() };
}

/** A fresh one for each attempt: what it counts and who may use which device belongs to one. */
async function makeCgroup(
  plan: CgroupPlan,
  { host: { cgroups: facts } }: ContainerInput,
  mayExist: boolean,
): Promise<{ readonly cgroup: Cgroup | undefined; readonly warnings: readonly string[] }> {
  if (plan.path === undefined) return { cgroup: undefined, warnings: [] };
  if (mayExist) for (const path of [plan.path, ...plan.others]) await removeCgroup(new Cgroup(path, false));
  try {
    return { warnings: createCgroup(plan, facts), cgroup: new Cgroup(plan.path, facts.isV2) };
  } catch (error) {
    if (!(error instanceof CgroupError)) throw error;
    throw new ContainerStartError('CreateContainerError', error.message);
  }
}

interface LaunchPlan {
  readonly runner: 'direct' | 'shim' | 'exec';
  readonly stdin: 'null' | 'pipe';
  readonly process: OciProcess;
}

interface LaunchOptions {
  readonly cgroup: Cgroup | undefined;
  readonly trace: boolean;
  /** More parameters of the program. */
  readonly parameters?: Readonly<Record<string, number>>;
  /** Whose child it becomes; without it, ours. */
  readonly kept?: Kept;
}

/** Runs a program with fresh standard streams; also for exec. */
export async function launch(
  compiled: ContainerStages['compiled'],
  plan: LaunchPlan,
  options: LaunchOptions,
): Promise<{ readonly child: Child; readonly exited: Promise<Exit>; readonly streams: ContainerStreams }> {
  const theirs: Record<string, number> = {};
  const ours: OwnStreams = {
    stdin: undefined,
    stdout: undefined,
    stderr: undefined,
    terminal: undefined,
  };
  let console: number | undefined;
  const { kept } = options;
  const run = plan.runner === 'direct' ? execute : executeInShim;
  try {
    if (plan.process.terminal) [console, theirs.console] = makeSocketPair();
    else connect(theirs, ours, plan);
    const parameters = { ...theirs, ...options.parameters };
    if (kept !== undefined) await kept.take(ours);
    const child = await withCgroup(options.cgroup, cgroup =>
      kept === undefined
        ? run(compiled, { parameters, cgroup, timestamps: options.trace })
        : kept.run(compiled, parameters, cgroup),
    );
    if (console !== undefined) {
      ours.terminal = receiveFd(console);
      await kept?.take(ours);
    }
    return { child, exited: kept === undefined ? waitForExit(child.pidfd) : kept.exited(), streams: ours };
  } catch (error) {
    for (const fd of Object.values(ours)) if (fd !== undefined) closeSync(fd);
    throw error instanceof ProgramError ? startError(error, plan.process.args[0] ?? '') : error;
  } finally {
    for (const fd of Object.values(theirs)) closeSync(fd);
    if (console !== undefined) closeSync(console);
  }
}

function connect(theirs: Record<string, number>, ours: OwnStreams, plan: LaunchPlan): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const pipe = makePipe();
    theirs[name] = pipe.write;
    ours[name] = pipe.read;
  }
  if (plan.stdin === 'pipe') {
    const pipe = makePipe();
    theirs.stdin = pipe.read;
    ours.stdin = pipe.write;
  } else if (plan.runner === 'exec') theirs.stdin = emptyPipe();
}

/** An error of execve is about the command; anything else is about the set-up, and names the instruction. */
function startError(error: ProgramError, command: string): ContainerStartError {
  const { program, report } = error;
  const message =
    program.instructions[report.pc]?.name === 'execve'
      ? `exec: ${JSON.stringify(command)}: ${execFailure(error, command)}`
      : `${error.message}${hintOf(error)}`;
  return new ContainerStartError('StartError', message, error);
}

/** The kernel's EINVAL says no more of a file system that cannot do it. */
function hintOf({ errno, message }: ProgramError): string {
  const isIdMap = errno === ERRNO.EINVAL && message.includes('MOUNT_ATTR_IDMAP');
  return isIdMap ? ': a volume with hostUsers: false must be on a filesystem that can map ids' : '';
}

/** What runc, and so kubectl, say of these. */
const EXEC_FAILURES: Readonly<Partial<Record<number, string>>> = {
  [ERRNO.EACCES]: 'permission denied',
  [ERRNO.ENOENT]: 'no such file or directory',
  [ERRNO.ENOEXEC]: 'exec format error',
};

/** As execvp(3) reports: a file that may not be executed, anywhere in PATH, counts more than one that is not there. */
function execFailure({ program, report, errno }: ProgramError, command: string): string {
  const denied = program.instructions.some(
    ({ name }, pc) => name === 'execve' && -report.result(pc) === ERRNO.EACCES,
  );
  if (!denied && errno === ERRNO.ENOENT && !command.includes('/'))
    return 'executable file not found in $PATH';
  return EXEC_FAILURES[denied ? ERRNO.EACCES : errno] ?? describeErrno(errno);
}

/** Sets a terminal's size, in characters. */
export function resizeTerminal(master: number, columns: number, rows: number): void {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  rawSyscall('ioctl', master, IOCTL.TIOCSWINSZ, size);
}

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}
