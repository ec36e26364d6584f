import type { Probe } from '../../kube/types.generated.ts';
import type { Outcome } from '../handlers/outcome.ts';

export type ProbeKind = 'readiness' | 'liveness' | 'startup';

/** Time as the workers know it; tests have one of their own. */
export interface Clock {
  /** Milliseconds, never set back. */
  now(): number;
  /** Calls back later; returns how to stop that. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** How often a probe that could not be run is tried in one turn (maxProbeRetries). */
const TRIES = 3;

/**
 * Milliseconds before the first turn. A kubelet hears of a container that runs within a second; one that asked at once
 * would find no server yet, and look again a whole period later.
 */
export const FIRST_TURN = 500;

/** The kubelet's words in its events. */
const TITLES: Readonly<Record<ProbeKind, string>> = {
  readiness: 'Readiness',
  liveness: 'Liveness',
  startup: 'Startup',
};

export interface WorkerOptions {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  readonly clock: Clock;
  /** Since when the container runs, by the clock. */
  readonly startedAt: number;
  run(probe: Probe, signal: AbortSignal): Promise<Outcome>;
  /** Whether it is this probe's turn at all: the startup probe comes before the others. */
  isTurn(): boolean;
  /** A threshold was reached; called again each time that it stays so. */
  onResult(isSuccess: boolean): void;
  onEvent(reason: 'Unhealthy' | 'ProbeWarning', message: string): void;
}

/**
 * Runs one probe of one container in turns (the kubelet's prober/worker.go): a turn every periodSeconds, one at a time;
 * what counts is so many equal results in a row.
 */
export class ProbeWorker {
  readonly #options: WorkerOptions;
  readonly #stopped = new AbortController();
  readonly #period: number;
  #nextTurn: number;
  #stopTimer: (() => void) | undefined;
  #isBusy = false;
  /** A turn came while the last one went on. */
  #isDue = false;
  #last: boolean | undefined;
  #row = 0;

  constructor(options: WorkerOptions) {
    const { probe, startedAt, clock } = options;
    this.#options = options;
    this.#period = (probe.periodSeconds || 10) * 1000;
    const first = startedAt + Math.max((probe.initialDelaySeconds ?? 0) * 1000, FIRST_TURN);
    this.#nextTurn = Math.max(first, clock.now());
  }

  start(): void {
    const { clock } = this.#options;
    if (this.#stopped.signal.aborted) return;
    this.#stopTimer = clock.after(Math.max(0, this.#nextTurn - clock.now()), () => {
      // After a sleep of the machine there is one turn, not one for each that was missed.
      this.#nextTurn = Math.max(this.#nextTurn + this.#period, clock.now());
      this.start();
      this.turn();
    });
  }

  /** A turn out of turn: readiness is asked for as soon as a container has started. */
  turn(): void {
    this.#isDue = true;
    if (!this.#isBusy) void this.#work();
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopped.abort();
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    while (this.#isDue && !this.#stopped.signal.aborted) {
      this.#isDue = false;
      if (this.#isBeforeDelay() || !this.#options.isTurn()) continue;
      const outcome = await this.#run();
      if (!this.#stopped.signal.aborted) this.#take(outcome);
    }
    this.#isBusy = false;
  }

  #isBeforeDelay(): boolean {
    const { probe, clock, startedAt } = this.#options;
    return clock.now() - startedAt < (probe.initialDelaySeconds ?? 0) * 1000;
  }

  async #run(): Promise<Outcome> {
    const { probe, run } = this.#options;
    for (let tries = 1; ; tries++) {
      const outcome = await run(probe, this.#stopped.signal).catch(
        (error): Outcome => ({ kind: 'error', state: 'unknown', output: String(error) }),
      );
      if (outcome.kind !== 'error' || tries === TRIES || this.#stopped.signal.aborted) return outcome;
    }
  }

  #take(outcome: Outcome): void {
    const { kind, probe, onEvent, onResult } = this.#options;
    const title = `${TITLES[kind]} probe`;
    const { output } = outcome;
    if (outcome.kind === 'error') {
      onEvent('Unhealthy', `${title} errored and resulted in ${outcome.state} state: ${output}`);
      return;
    }
    if (outcome.kind === 'failure') onEvent('Unhealthy', `${title} failed: ${output}`);
    if (outcome.kind === 'warning') onEvent('ProbeWarning', `${title} warning: ${output}`);
    const isSuccess = outcome.kind !== 'failure';
    this.#row = this.#last === isSuccess ? this.#row + 1 : 1;
    this.#last = isSuccess;
    const threshold = isSuccess ? probe.successThreshold || 1 : probe.failureThreshold || 3;
    if (this.#row >= threshold) onResult(isSuccess);
  }
}
