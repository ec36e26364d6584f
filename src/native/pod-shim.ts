import { closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { errnoCode } from '../base/errors.ts';
import { CLONE } from '../linux/constants.generated.ts';
import { type Compiled, compileKeeperStart, SHIM_FDS } from '../program/compile.ts';
import { Report } from '../program/decode.ts';
import { encode, reportSize } from '../program/encode.ts';
import { type Child, execute, memfd, ProgramError, readAll, wasKilled } from './execute.ts';
import { rawSyscall, SyscallError, syscall } from './libc.ts';
import { hostArch } from './library.ts';
import { makePipe } from './pipe.ts';
import { readProcStat } from './proc-stat.ts';
import { shimFd } from './shim.ts';
import { parseExit, RECORDS, readShimRecord, type ShimExit } from './shim-records.ts';
import { type ShimOperation, sendRequest } from './shim-request.ts';
import { bindUnix, connectUnix } from './unix-socket.ts';

/** Where the fds of a program begin in its process; the fourth tells of its execve. */
const FIRST_FD = 3;

/** Milliseconds between two looks at a program that has not executed yet, at most. */
const MAX_PAUSE = 20;

const SOCKET_NAME = 'shim.sock';

/**
 * A connection to the podspace-shim of one pod: the process that is the parent of the pod's containers, copies what they print
 * to their logs and writes down how they ended, whether or not somebody is connected.
 */
export class PodShim {
  readonly pid: number;
  /** Resolves when the shim has gone, and with it all that it ran. */
  readonly ended: Promise<void>;
  readonly #pidfd: number;
  readonly #directory: string;
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #exits = new Map<string, ShimExit>();
  readonly #waiting = new Map<string, (exit: ShimExit | undefined) => void>();
  readonly #answers: ((line: string | undefined) => void)[] = [];
  #text = '';
  #isGone = false;

  private constructor(directory: string, pid: number, pidfd: number, fd: number) {
    this.#directory = directory;
    this.pid = pid;
    this.#pidfd = pidfd;
    this.#fd = fd;
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.on('data', chunk => this.#read(String(chunk)));
    // ECONNRESET is the end as well.
    this.#socket.on('error', () => {});
    this.ended = new Promise(resolve => {
      this.#socket.once('close', () => {
        this.#isGone = true;
        for (const answer of this.#answers.splice(0)) answer(undefined);
        for (const tell of this.#waiting.values()) tell(undefined);
        resolve();
      });
    });
  }

  /** Starts a shim whose socket and records are in the directory, which has nothing of that kind yet. */
  static async start(directory: string): Promise<PodShim> {
    const listener = bindUnix(join(directory, SOCKET_NAME));
    const { O_RDONLY, O_DIRECTORY } = constants;
    let records: number | undefined;
    try {
      records = openSync(join(directory, RECORDS), O_RDONLY | O_DIRECTORY);
      const fds = { listener, records };
      const { pid, pidfd } = await execute(compileKeeperStart(fds, hostArch()), {
        parameters: { ...fds, shim: shimFd() },
      });
      return new PodShim(directory, pid, pidfd, connectUnix(join(directory, SOCKET_NAME)));
    } finally {
      closeSync(listener);
      if (records !== undefined) closeSync(records);
    }
  }

  /** Ends the shim of a directory, if there is one, and waits until it has. */
  static async end(directory: string): Promise<void> {
    let fd: number;
    try {
      fd = connectUnix(join(directory, SOCKET_NAME));
    } catch (error) {
      if (['ENOENT', 'ECONNREFUSED'].includes(errnoCode(error) ?? '')) return;
      throw error;
    }
    const ended = atEnd(fd);
    sendRequest(fd, 'quit', '', []);
    await ended;
  }

  /** Connects to a shim that runs. Throws a SyscallError if there is none. */
  static connect(directory: string, pid: number): PodShim {
    const fd = connectUnix(join(directory, SOCKET_NAME));
    const pidfd = syscall('pidfd_open', [pid, 0]);
    const shim = new PodShim(directory, pid, pidfd, fd);
    return shim;
  }

  /** It has ended, and so has all that it ran. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Lets the shim hold fds for as long as it lives; what numbers they have there. The caller keeps its own. */
  async keep(fds: readonly number[]): Promise<readonly number[]> {
    return fds.length === 0 ? [] : this.#kept('keep', '', fds);
  }

  /** The same for as long as the process of that id lives, and something comes from it. */
  hold(id: string, fds: readonly number[]): Promise<readonly number[]> {
    return this.#kept('hold', id, fds);
  }

  async #kept(operation: 'keep' | 'hold', id: string, fds: readonly number[]): Promise<readonly number[]> {
    const line = await this.#ask(operation, id, fds);
    return line.split(' ').slice(1).map(Number);
  }

  /** Lets go of what is held for that process. */
  release(id: string): void {
    this.#send('release', id, []);
  }

  /** Where the output of that process is written to, from now on. */
  log(id: string, fd: number): void {
    this.#send('log', id, [fd]);
  }

  /** The reading end of what it prints. */
  copy(id: string, stream: 'stdout' | 'stderr', fd: number): void {
    this.#send('copy', id, [fd], stream === 'stderr' ? 1 : 0);
  }

  /** Sends what it prints to a socket, too, from now on. */
  tee(id: string, fd: number): void {
    this.#send('tee', id, [fd]);
  }

  /** The same, and nothing is left of it here. */
  async end(): Promise<void> {
    this.quit();
    await this.ended;
    this.close();
  }

  /** Ends the shim, and all that it runs. */
  quit(): void {
    if (!this.#isGone) this.#send('quit', '', []);
  }

  /** Leaves the shim alone, and lets go of it. */
  close(): void {
    this.#socket.destroy();
    closeSync(this.#pidfd);
  }

  /** A copy of an fd of the shim's. */
  fetch(fd: number): number {
    return syscall('pidfd_getfd', [this.#pidfd, fd, 0]);
  }

  /** Runs a program as a child of the shim's. Throws a ProgramError if it failed. */
  async run(
    id: string,
    { program, cloneFlags }: Compiled,
    {
      parameters = {},
      cgroup,
    }: { readonly parameters?: Readonly<Record<string, number>>; readonly cgroup?: number },
  ): Promise<Child> {
    const names = Object.keys(parameters);
    const done = makePipe();
    const theirs = Object.fromEntries(names.map((name, i) => [name, FIRST_FD + SHIM_FDS.length + 1 + i]));
    const block = encode(program, { arch: hostArch(), parameters: theirs });
    const report = memfd('podspace-report', new Uint8Array(reportSize(program)));
    const sibling = memfd('podspace-sibling', new Uint8Array(4));
    const programFd = memfd('podspace-program', block);
    const fds = [programFd, report, sibling, done.write, ...names.map(name => parameters[name] ?? -1)];
    const flags = cloneFlags.reduce((all, name) => all | CLONE[name], 0) >>> 0;
    try {
      const ended = atEnd(done.read);
      const line = await this.#ask('run', id, cgroup === undefined ? fds : [...fds, cgroup], {
        argument: cgroup === undefined ? 0 : 1,
        flags,
      });
      closeSync(done.write);
      const [word, , first] = line.split(' ');
      if (word === 'failed') throw new SyscallError('clone3', Number(first), cloneFlags.join('|'));
      await ended;
      // It has closed all but its streams, or has ended; its execve is still to come.
      for (let pause = 1; ; pause = Math.min(pause + 1, MAX_PAUSE)) {
        const hasEnded = this.#exits.has(id);
        const result = new Report(readAll(report, reportSize(program)));
        const gone = new DataView(readAll(sibling, 4).buffer).getInt32(0, true);
        const pid = gone > 0 ? gone : Number(first);
        if (result.state === 'failed' || (hasEnded && (result.state === 'new' || wasKilled(program, result))))
          throw new ProgramError(program, result);
        if (hasEnded || hasExecuted(pid)) return { pid, pidfd: this.pidfdOf(pid), report: result };
        if (this.#isGone) throw new Error('the pod’s podspace-shim has ended');
        await new Promise(resolve => setTimeout(resolve, pause));
      }
    } finally {
      for (const fd of [programFd, report, sibling]) closeSync(fd);
    }
  }

  /** Of a child of the shim's; -1 if that has ended, whoever has its number by now. */
  pidfdOf(pid: number): number {
    const pidfd = rawSyscall('pidfd_open', pid, 0);
    if (pidfd < 0) return -1;
    if (readProcStat(pid)?.parent === this.pid) return pidfd;
    closeSync(pidfd);
    return -1;
  }

  /** How the process of that id ended, as far as it has been told: its record may have to wait for room on the disk. */
  told(id: string): ShimExit | undefined {
    return this.#exits.get(id);
  }

  /** How the process of that id ended; undefined if the shim has gone before. */
  async exit(id: string): Promise<ShimExit | undefined> {
    const known = this.#exits.get(id) ?? readShimRecord(this.#directory, id)?.end;
    if (known !== undefined || this.#isGone) return known;
    return new Promise(resolve => this.#waiting.set(id, resolve));
  }

  #read(chunk: string): void {
    const lines = (this.#text + chunk).split('\n');
    this.#text = lines.pop() ?? '';
    for (const line of lines) {
      const [word, id = '', ...rest] = line.split(' ');
      if (word !== 'exited') {
        this.#answers.shift()?.(line);
        continue;
      }
      const exit = parseExit(rest);
      this.#exits.set(id, exit);
      this.#waiting.get(id)?.(exit);
      this.#waiting.delete(id);
    }
  }

  #ask(
    operation: ShimOperation,
    id: string,
    fds: readonly number[],
    { argument = 0, flags = 0 } = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#answers.push(line =>
        line === undefined ? reject(new Error('the pod’s podspace-shim has ended')) : resolve(line),
      );
      this.#send(operation, id, fds, argument, flags);
    });
  }

  #send(operation: ShimOperation, id: string, fds: readonly number[], argument = 0, flags = 0): void {
    if (this.#isGone) throw new Error('the pod’s podspace-shim has ended');
    sendRequest(this.#fd, operation, id, fds, argument, flags);
  }
}

/**
 * Whether a process is another program than what the shim has cloned, whose file is in memory alone; the pause process is
 * of the same file, and has but another command line.
 */
function hasExecuted(pid: number): boolean {
  try {
    if (!readlinkSync(`/proc/${pid}/exe`).startsWith('/memfd:podspace-shim')) return true;
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return command !== '' && !command.startsWith('/pod\0');
  } catch {
    // It has ended: its shim will tell.
    return false;
  }
}

/** When nobody has the other end any more. */
function atEnd(fd: number): Promise<void> {
  return new Promise(resolve => {
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on('error', () => {});
    socket.once('close', () => resolve());
    socket.resume();
  });
}
