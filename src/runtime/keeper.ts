import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import type { Container } from '../kube/types.generated.ts';
import { SIG } from '../linux/constants.generated.ts';
import { type Child, signalPidfd } from '../native/execute.ts';
import { PodShim } from '../native/pod-shim.ts';
import { removeTree } from '../native/remove-tree.ts';
import { RECORDS, readShimRecord, type ShimRecord } from '../native/shim-records.ts';
import type { PodPaths } from '../oci/pod-paths.ts';
import type { Compiled } from '../program/compile.ts';
import { Cgroup, detectCgroups } from './cgroups.ts';
import { type Exit, exitOf } from './child-exits.ts';
import type { ContainerFacts, OwnStreams, StartedContainer } from './container.ts';
import type { ContainerState } from './container-state.ts';
import { isDiskFailure } from './disk-failure.ts';
import { filesOf, isCompressed } from './log-files.ts';
import { writeWhole } from './pod-directory.ts';
import { TerminationLog } from './termination-message.ts';

/** One attempt of a container, as it is on record. */
export interface Attempt extends ShimRecord {
  readonly number: number;
}

/** How one container's process is started and watched when it is not our own child. */
export interface Kept {
  /** Lets the shim have what is read from and written to the container; ours is only what is still needed here. */
  take(ours: OwnStreams): Promise<void>;
  run(
    compiled: Compiled,
    parameters: Readonly<Record<string, number>>,
    cgroup: number | undefined,
  ): Promise<Child>;
  exited(): Promise<Exit>;
}

/** What is written beside the shim's own record of an attempt. */
interface AttemptFile {
  readonly facts: ContainerFacts;
  /** Numbers of the shim's fds. */
  readonly stdin?: number | undefined;
  readonly terminal?: number;
  /** Why it could not be started. */
  readonly failure?: string;
  /** What its probes have said. */
  readonly known?: Known;
}

type Known = Pick<ContainerState, 'started' | 'ready'>;
const HEALTHY: Known = { started: true, ready: true };

/** Nobody knows how it ended. */
const LOST: Exit = { exitCode: 137, signal: undefined, cpuMicroseconds: 0, maxRss: 0 };

/** Bytes of a log's end that hold the last lines a message can be made of. */
const TAIL = 64 << 10;

const idOf = (container: string, attempt: number): string => `${container}.${attempt}`;

/** A pod whose containers are children of a podspace-shim: they outlive this process, and are found again by the next one. */
export class Keeper {
  readonly shim: PodShim;
  readonly #paths: PodPaths;
  readonly #logs: string;

  /** `logs`: the directory of the pod's logs. */
  private constructor(shim: PodShim, paths: PodPaths, logs: string) {
    this.shim = shim;
    this.#paths = paths;
    this.#logs = logs;
  }

  static async start(paths: PodPaths, logs: string): Promise<Keeper> {
    for (const name of [RECORDS, 'attempts']) mkdirSync(join(paths.run, name), { mode: 0o700 });
    return new Keeper(await PodShim.start(paths.run), paths, logs);
  }

  /** Throws a SyscallError if the shim is not there any more. */
  static find(paths: PodPaths, logs: string, pid: number): Keeper {
    return new Keeper(PodShim.connect(paths.run, pid), paths, logs);
  }

  /** What somebody has left who was killed before he could start it. */
  clear(container: string, attempt: number): void {
    removeTree(join(this.#paths.state, idOf(container, attempt)));
  }

  keep(container: string, attempt: number, facts: ContainerFacts): Kept {
    const { shim } = this;
    const id = idOf(container, attempt);
    let file: AttemptFile = { facts };
    writeWhole(this.#attemptFile(id), file);
    this.#openLog(container, attempt);
    return {
      take: async ours => {
        const { stdin, terminal } = ours;
        for (const stream of ['stdout', 'stderr'] as const) this.#copy(id, stream, ours);
        if (terminal !== undefined) shim.copy(id, 'stdout', terminal);
        const held = Object.entries({ stdin, terminal }).flatMap(([name, fd]) =>
          fd === undefined || name in file ? [] : [[name, fd] as const],
        );
        if (held.length === 0) return;
        const numbers = await shim.hold(
          id,
          held.map(([, fd]) => fd),
        );
        file = { ...file, ...Object.fromEntries(held.map(([name], i) => [name, numbers[i]])) };
        writeWhole(this.#attemptFile(id), file);
      },
      run: (compiled, parameters, cgroup) =>
        shim.run(id, compiled, { parameters, ...(cgroup === undefined ? {} : { cgroup }) }),
      exited: () => this.exited(container, attempt),
    };
  }

  #copy(id: string, stream: 'stdout' | 'stderr', ours: OwnStreams): void {
    const fd = ours[stream];
    if (fd === undefined) return;
    this.shim.copy(id, stream, fd);
    closeSync(fd);
    ours[stream] = undefined;
  }

  async exited(container: string, attempt: number): Promise<Exit> {
    const exit = await this.shim.exit(idOf(container, attempt));
    return exit === undefined ? LOST : exitOf(exit);
  }

  /** The last attempts of a container, the newest first. */
  attempts({ name }: Container): readonly Attempt[] {
    const numbers = readdirSync(join(this.#paths.run, RECORDS))
      .filter(file => file.startsWith(`${name}.`))
      .map(file => Number(file.slice(name.length + 1)))
      .sort((a, b) => b - a);
    return numbers.flatMap(number => {
      const id = idOf(name, number);
      const record = readShimRecord(this.#paths.run, id);
      return record === undefined ? [] : [{ ...record, end: record.end ?? this.shim.told(id), number }];
    });
  }

  /** The program that was to become the container has failed. */
  failed(container: Container, attempt: number, failure: string): void {
    this.#amend(container, attempt, { failure });
  }

  /** What the probes say of it now. */
  note(container: Container, attempt: number, known: Known): void {
    this.#amend(container, attempt, { known });
  }

  /** Without room for it the next agent knows less; the container goes on. */
  #amend({ name }: Container, attempt: number, more: Partial<AttemptFile>): void {
    const id = idOf(name, attempt);
    const before = this.#readAttempt(id);
    if (before === undefined) return;
    try {
      writeWhole(this.#attemptFile(id), { ...before, ...more });
    } catch (error) {
      if (!isDiskFailure(error)) throw error;
    }
  }

  /** Undefined if it is damaged, or gone. */
  #readAttempt(id: string): AttemptFile | undefined {
    try {
      const file = JSON.parse(readFileSync(this.#attemptFile(id), 'utf8')) as AttemptFile | null;
      return typeof file?.facts?.record?.name === 'string' && typeof file.facts.cgroup === 'object'
        ? file
        : undefined;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** A container that runs, or that ended while nobody looked: as if it had been started just now. */
  adopt(
    { name }: Container,
    { number, pid, startedAt, end }: Attempt,
  ): StartedContainer | { readonly failure: string } {
    const id = idOf(name, number);
    const file = this.#readAttempt(id);
    if (file === undefined) {
      if (end === undefined) this.#kill(pid);
      return { failure: 'what was written down of it is damaged: it was ended' };
    }
    const { facts, stdin, terminal, failure, known = HEALTHY } = file;
    if (failure !== undefined) return { failure };
    const fetch = (fd: number | undefined): number | undefined =>
      fd === undefined || end !== undefined ? undefined : this.shim.fetch(fd);
    return {
      child: { pid, pidfd: end === undefined ? this.shim.pidfdOf(pid) : -1 },
      facts,
      exited: this.exited(name, number),
      streams: { stdin: fetch(stdin), stdout: undefined, stderr: undefined, terminal: fetch(terminal) },
      cgroup:
        facts.cgroup.path === undefined ? undefined : new Cgroup(facts.cgroup.path, detectCgroups().isV2),
      terminationLog: TerminationLog.open(this.#paths.terminationLog(name, number)),
      warnings: [],
      startedAt,
      known,
      made: undefined,
    };
  }

  /** It has ended; whoever waits for that may still send it a signal now. */
  release({ child: { pidfd }, streams: { terminal } }: StartedContainer): void {
    if (terminal !== undefined) closeSync(terminal);
    if (pidfd >= 0) setImmediate(() => closeSync(pidfd));
  }

  /** Nobody knows any more how to end it in another way. */
  #kill(pid: number): void {
    const pidfd = this.shim.pidfdOf(pid);
    if (pidfd < 0) return;
    signalPidfd(pidfd, SIG.SIGKILL);
    closeSync(pidfd);
  }

  /** Its log, opened anew: somebody has moved the file away. */
  #openLog(container: string, attempt: number): void {
    const directory = join(this.#logs, container);
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
    const path = join(directory, `${attempt}.log`);
    const fd = openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o640);
    try {
      this.shim.log(idOf(container, attempt), fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Sends what a container prints to a socket, too, from now on. */
  tee(container: string, attempt: number, socket: number): void {
    this.shim.tee(idOf(container, attempt), socket);
  }

  /** Nobody writes to its input any more. */
  endInput(container: Container, attempt: number): void {
    this.#amend(container, attempt, { stdin: undefined });
    this.shim.release(idOf(container.name, attempt));
  }

  /** The directory of a container's logs. */
  logDirectory(container: string): string {
    return join(this.#logs, container);
  }

  reopenLog(container: string, attempt: number): void {
    this.#openLog(container, attempt);
  }

  /** The end of what an attempt printed: the text of its lines. */
  logTail({ name }: Container, attempt: number): Buffer {
    const directory = join(this.#logs, name);
    const current = filesOf(directory, attempt).at(-1);
    if (current === undefined || isCompressed(current)) return Buffer.alloc(0);
    const lines = lastBytes(current, TAIL).toString('latin1').split('\n').slice(0, -1);
    // RFC 3339, the stream, whether the line is whole, the text.
    const text = lines.map(
      line => line.replace(/^\S+ \S+ ([FP]) ?/, '') + (/^\S+ \S+ F/.test(line) ? '\n' : ''),
    );
    return Buffer.from(text.join(''), 'latin1');
  }

  /** As a kubelet keeps them: the newest attempt, and the one before it. */
  forgetOld(container: Container): void {
    for (const { number } of this.attempts(container).slice(2)) this.#forget(container.name, number);
  }

  /** What is left of an attempt that is of no use any more. */
  #forget(container: string, attempt: number): void {
    const id = idOf(container, attempt);
    for (const file of [this.#attemptFile(id), join(this.#paths.run, RECORDS, id)]) {
      try {
        unlinkSync(file);
      } catch (error) {
        if (errnoCode(error) !== 'ENOENT') throw error;
      }
    }
    removeTree(join(this.#paths.state, id));
    for (const file of filesOf(join(this.#logs, container), attempt)) unlinkSync(file);
  }

  #attemptFile(id: string): string {
    return join(this.#paths.run, 'attempts', `${id}.json`);
  }
}

/** A log may have ten megabytes, of which the end is wanted. */
function lastBytes(path: string, most: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, most));
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, size - bytes.length));
  } finally {
    closeSync(fd);
  }
}
