import { readFileSync } from 'node:fs';

/**
 * The peak resident set of a container's main process, in bytes. The kernel's own figure at its end (getrusage(2)) counts
 * what the process was before its execve, and that was a child in this process' memory: so a figure no larger than ours
 * says nothing, and VmHWM, looked at once a second, is the answer then.
 */
export class MemoryPeak {
  readonly #pid: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #seen = 0;

  /** Does not look at all where the figure interests nobody. */
  constructor(pid: number, isWanted: boolean) {
    this.#pid = pid;
    if (!isWanted) return;
    this.#look();
    this.#timer = setInterval(() => this.#look(), 1000).unref();
  }

  /** `maxRss`: getrusage's figure. */
  end(maxRss: number): number {
    clearInterval(this.#timer);
    return this.#timer === undefined || maxRss > process.resourceUsage().maxRSS * 1024 ? maxRss : this.#seen;
  }

  #look(): void {
    try {
      const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.#pid}/status`, 'utf8'))?.[1];
      this.#seen = Math.max(this.#seen, Number(peak ?? 0) * 1024);
    } catch {
      // it has ended
    }
  }
}
