import { StringDecoder } from 'node:string_decoder';
import type { Exit } from './child-exits.ts';
import type { ContainerState, Terminated } from './container-state.ts';
import type { ContainerResult } from './pod-result.ts';
import type { OutputStream } from './run-options.ts';
import { fitMessage, LogTail } from './termination-message.ts';

/** containerd's exit code of a container that could not be started. */
const START_ERROR = 128;

/** What probes say of a container that runs. */
type Health = Pick<ContainerState, 'started' | 'ready'>;
const HEALTHY: Health = { started: true, ready: true };

/** How much of each stream is kept, in bytes; a pod that writes without end must not use up podspace's memory. */
const MAX_CAPTURE = 64 << 20;

interface ResultOptions {
  /** Keep the output. */
  readonly capture: boolean;
  /** terminationMessagePolicy: FallbackToLogsOnError. */
  readonly fallsBackToLogs: boolean;
  /** How many the pod has. */
  readonly containers: number;
  /** Why it does not run from the beginning. */
  readonly waitsFor?: 'ContainerCreating' | 'PodInitializing';
  /** What it was in a pod that was lost. */
  readonly before?: ContainerState | undefined;
}

/** Collects what is known of one container over its attempts. */
export class ResultBuilder {
  readonly #kind: Pick<ContainerResult, 'name' | 'init' | 'sidecar'>;
  readonly #decoders: Readonly<Record<OutputStream, StringDecoder>> | undefined;
  readonly #containers: number;
  readonly #fallsBackToLogs: boolean;
  /** Of the current attempt. */
  #tail: LogTail | undefined;
  readonly #text = { stdout: '', stderr: '' };
  readonly #size = { stdout: 0, stderr: 0 };
  #state: Pick<
    ContainerResult,
    'reason' | 'message' | 'exitCode' | 'signal' | 'startedAt' | 'finishedAt' | 'restartCount'
  > = {
    reason: 'ContainerCreating',
    message: undefined,
    exitCode: undefined,
    signal: undefined,
    startedAt: undefined,
    finishedAt: undefined,
    restartCount: 0,
  };
  #cpuMicroseconds = 0;
  #maxRss = 0;
  #now: ContainerState['state'];
  #last: Terminated | undefined;
  #attempt = 0;
  #health: Health = HEALTHY;

  constructor(
    kind: Pick<ContainerResult, 'name' | 'init' | 'sidecar'>,
    { capture, fallsBackToLogs, containers, waitsFor = 'ContainerCreating', before }: ResultOptions,
  ) {
    this.#kind = kind;
    this.#now = { is: 'waiting', reason: waitsFor, message: undefined };
    if (before !== undefined) this.#attempt = before.restartCount;
    this.#last = before?.state.is === 'terminated' ? before.state : before?.lastState;
    this.#containers = containers;
    this.#fallsBackToLogs = fallsBackToLogs;
    this.#tail = fallsBackToLogs ? new LogTail() : undefined;
    this.#decoders = capture
      ? { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') }
      : undefined;
  }

  output(stream: OutputStream, chunk: Buffer): void {
    this.#tail?.push(chunk);
    if (this.#decoders === undefined) return;
    const room = Math.max(0, MAX_CAPTURE - this.#size[stream]);
    this.#size[stream] += chunk.length;
    if (room > 0) this.#text[stream] += this.#decoders[stream].write(chunk.subarray(0, room));
  }

  /** Its state at this moment. */
  state(): Omit<ContainerState, 'image' | 'imageId'> {
    const isRunning = this.#now.is === 'running';
    return {
      ...this.#kind,
      restartCount: this.#attempt,
      state: this.#now,
      lastState: this.#last,
      started: isRunning && this.#health.started,
      ready: isRunning && this.#health.ready,
    };
  }

  /** It runs; it is ready and started when its probes say so. */
  running(startedAt: number, attempt: number, health: Health = HEALTHY): void {
    this.#health = health;
    if (this.#now.is === 'terminated') this.#last = this.#now;
    this.#now = { is: 'running', startedAt };
    this.#attempt = attempt;
  }

  /** It was found, as that attempt, with what the one before had come to. */
  found(attempt: number, last: Terminated | undefined): void {
    this.#attempt = attempt;
    this.#last = last;
  }

  /** It has ended in a pod that was lost, and does not run again. */
  still({ state, lastState, restartCount }: ContainerState & { readonly state: Terminated }): void {
    const { reason, message, exitCode, signal, startedAt, finishedAt } = state;
    this.#now = state;
    this.#last = lastState;
    this.#attempt = restartCount;
    const at = (time: number): string => new Date(time).toISOString();
    this.#state = {
      ...{ reason, message, exitCode, signal, restartCount },
      startedAt: at(startedAt),
      finishedAt: at(finishedAt),
    };
  }

  /** It will be started again; until then it waits. */
  waiting(reason: string, message: string): void {
    if (this.#now.is === 'terminated') this.#last = this.#now;
    this.#now = { is: 'waiting', reason, message };
  }

  notStarted(reason: string, message: string, attempt: number): void {
    const now = new Date().toISOString();
    const exitCode = reason === 'StartError' ? START_ERROR : undefined;
    if (exitCode === undefined) this.waiting(reason, message);
    else {
      if (this.#now.is === 'terminated') this.#last = this.#now;
      this.#attempt = attempt;
      const ended = { startedAt: 0, finishedAt: Date.now(), signal: undefined };
      this.#now = { is: 'terminated', reason, message, exitCode, ...ended };
    }
    this.#state = {
      ...this.#state,
      reason,
      message,
      exitCode,
      signal: undefined,
      startedAt: undefined,
      finishedAt: exitCode === undefined ? undefined : now,
    };
  }

  ended(
    exit: Exit & {
      readonly isOomKilled?: boolean;
      readonly message?: string;
      /** Why it was ended before its time, and what is said of that. */
      readonly failure?: { readonly reason: string; readonly message: string } | undefined;
      readonly wasUnhealthy?: boolean;
    },
    startedAt: number,
    finishedAt: number,
    restartCount: number,
  ): void {
    this.#cpuMicroseconds += exit.cpuMicroseconds;
    this.#maxRss = Math.max(this.#maxRss, exit.maxRss);
    const ownReason = exit.exitCode === 0 ? 'Completed' : exit.isOomKilled === true ? 'OOMKilled' : 'Error';
    const reason = exit.failure?.reason ?? ownReason;
    const { exitCode, signal } = exit;
    const message = exit.failure?.message ?? this.#message(exit.message ?? '', exitCode);
    const { wasUnhealthy = false } = exit;
    const more = wasUnhealthy ? { wasUnhealthy } : {};
    this.#now = { is: 'terminated', reason, message, exitCode, signal, startedAt, finishedAt, ...more };
    this.#attempt = restartCount;
    this.#state = {
      reason,
      message,
      exitCode,
      signal,
      startedAt: new Date(startedAt).toISOString(),
      finishedAt: new Date(finishedAt).toISOString(),
      restartCount,
    };
  }

  /** What the container said in its file, or else, where that is asked for, the end of what it printed. */
  #message(said: string, exitCode: number): string | undefined {
    const message = said === '' && exitCode !== 0 ? (this.#tail?.text() ?? '') : said;
    if (this.#fallsBackToLogs) this.#tail = new LogTail();
    return message === '' ? undefined : fitMessage(message, this.#containers);
  }

  build(): ContainerResult {
    const rest = (stream: OutputStream): string =>
      this.#text[stream] + (this.#decoders?.[stream].end() ?? '');
    return {
      ...this.#kind,
      ...this.#state,
      cpuMicroseconds: this.#cpuMicroseconds,
      maxRss: this.#maxRss,
      stdout: rest('stdout'),
      stderr: rest('stderr'),
      truncated: Math.max(this.#size.stdout, this.#size.stderr) > MAX_CAPTURE,
    };
  }
}
