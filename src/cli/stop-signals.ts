import { SIG } from '../linux/constants.generated.ts';
import type { Io } from './io.ts';

const FORWARDED = ['SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
const ENDING = ['SIGINT', 'SIGTERM'] as const;

/**
 * What signals mean to an attached pod: SIGINT and SIGTERM end it (TERM, grace period, KILL), a second one kills it at once;
 * the others go to the containers' main processes.
 */
export class StopSignals {
  readonly stop = new AbortController();
  readonly kill = new AbortController();
  timedOut = false;
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

  timeOut(): void {
    this.timedOut = true;
    this.#io.err('error: timed out\n');
    this.stop.abort();
  }

  close(): void {
    for (const [name, listener] of this.#listeners) process.off(name, listener);
  }

  #end(): void {
    if (this.stop.signal.aborted) {
      this.kill.abort();
      return;
    }
    if (this.#io.color.err) this.#io.err('stopping; once more to kill\n');
    this.stop.abort();
  }

  #forward(signal: number): void {
    for (const send of this.#targets) send(signal);
  }
}
