import type { Clock } from '../../../../src/runtime/probes/worker.ts';

/** A clock that is moved by hand; what is done meanwhile is done before `pass` resolves. */
export class FakeClock implements Clock {
  #now = 1000;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = { at: this.#now + milliseconds, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get waiting(): number {
    return this.#timers.size;
  }

  async pass(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#now = Math.max(this.#now, next.at);
      // What is due at one moment is called before anything comes of it, as an event loop does.
      for (const timer of [...this.#timers].filter(({ at }) => at <= this.#now)) {
        this.#timers.delete(timer);
        timer.callback();
      }
      await settle();
    }
    this.#now = end;
    await settle();
  }

  /** All at once, as after a sleep of the machine. */
  async sleep(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
    await this.pass(0);
  }
}

const settle = (): Promise<void> => new Promise(done => setImmediate(done));
