import { SIG } from '../linux/constants.generated.ts';
import type { Io } from './io.ts';

const FORWARDED = ['SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
const ENDING = ['SIGINT', 'SIGTERM'] as const;

/** Milliseconds in which two signals are one wish: Ctrl-C reaches npm too, which passes it on, and timeout(1) sends two. */
const SAME_WISH = 50;

/**
 * What signals mean to an attached pod: SIGINT and SIGTERM end it (TERM, grace period, KILL), a second one kills it at once;
 * the others go to the containers' main processes.
 */
export class StopSignals {
  readonly stop = new AbortController();
  readonly kill = new AbortController();
  timedOut = false;
  #endedAt = 0;
  readonly #io: Io;
  readonly #targets: ((signal: number) => void)[] = [];
  readonly #listeners: (readonly [NodeJS.Signals, () => void])[];

  constructor(io: Io) {
    this.#io = io;
    this.#listeners = [
      ...ENDING.map(name => [name, () => this.#end()] as const),
      ...FORWARDED.map(name => [name, () => this.#forward(SIG[name])] as const),
    ];
    for (const [name, listener] of this.#listeners) process.on(name, listener);
  }

  forwardTo(send: (signal: number) => void): void {
    this.#targets.push(send);
  }

  timeOut(limit: string | undefined): void {
    this.timedOut = true;
    this.#io.err(`error: timed out after ${limit}\n`);
    this.stop.abort();
  }

  close(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #end(): void {
    const now = performance.now();
    if (this.stop.signal.aborted) {
      if (now - this.#endedAt > SAME_WISH) this.kill.abort();
      return;
    }
    this.#endedAt = now;
    if (this.#io.color.err) this.#io.err('stopping; once more to kill\n');
    this.stop.abort();
  }

  #forward(signal: number): void {
    for (const send of this.#targets) send(signal);
  }
}
