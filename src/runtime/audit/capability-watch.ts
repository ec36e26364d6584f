import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { errnoCode } from '../../base/errors.ts';
import { detachedMount } from '../../native/detached-mount.ts';
import { CapabilityTrace } from '../../oci/audit/capability-trace.ts';
import type { Observation } from '../../oci/audit/observation.ts';

/** For each CPU. An event with its stack is some 200 bytes. */
const BUFFER_KIB = 8192;

/** Watches which capabilities the kernel looks for in one process and what comes from it: an instance of tracefs, ftrace(rst). */
export class CapabilityWatch {
  /** -1: nothing can be watched. */
  readonly fd: number;
  readonly #root: number;
  readonly #directory: string;
  readonly #trace = new CapabilityTrace();
  readonly #buffer = Buffer.alloc(1 << 16);

  private constructor(root: number, directory: string, fd: number) {
    this.#root = root;
    this.#directory = directory;
    this.fd = fd;
  }

  /** Begins with a process that waits for us; or says why this machine cannot. */
  static start(name: string, pid: number): CapabilityWatch | { readonly unwatched: string } {
    const root = openTracefs();
    if (typeof root === 'object') return root;
    const directory = `/proc/self/fd/${root}/instances/${name}`;
    for (let again = TRIES; ; again--) {
      try {
        return new CapabilityWatch(root, directory, makeInstance(directory, pid));
      } catch (error) {
        removeInstance(directory);
        if (again > 0 && errnoCode(error) === 'ENOENT') continue;
        closeSync(root);
        return { unwatched: `tracefs: ${error instanceof Error ? error.message : error}` };
      }
    }
  }

  /** Takes what has come so far. */
  read(): void {
    for (;;) {
      let size = 0;
      try {
        size = readSync(this.fd, this.#buffer);
      } catch (error) {
        if (errnoCode(error) !== 'EAGAIN' && errnoCode(error) !== 'EINTR') throw error;
      }
      if (size === 0) return;
      this.#trace.push(this.#buffer.toString('latin1', 0, size));
    }
  }

  end(): Observation['capabilities'] {
    writeFileSync(`${this.#directory}/events/capability/cap_capable/enable`, '0');
    this.read();
    const lost = this.#lost();
    closeSync(this.fd);
    removeInstance(this.#directory);
    closeSync(this.#root);
    return this.#trace.end(lost);
  }

  #lost(): number {
    const cpus = `${this.#directory}/per_cpu`;
    return readdirSync(cpus).reduce((sum, cpu) => {
      const stats = readFileSync(`${cpus}/${cpu}/stats`, 'latin1');
      return sum + Number(/^overrun: (\d+)/m.exec(stats)?.[1] ?? 0);
    }, 0);
  }
}

/** What is not read yet looks like what a killed command has left: somebody else's gc may remove it. */
const TRIES = 5;

/** An instance that watches a process and what comes from it; returns what it is read from. */
function makeInstance(directory: string, pid: number): number {
  mkdirSync(directory);
  const write = (file: string, text: string): void => writeFileSync(`${directory}/${file}`, text);
  write('buffer_size_kb', String(BUFFER_KIB));
  write('options/stacktrace', '1');
  write('options/event-fork', '1');
  write('set_event_pid', String(pid));
  write('events/capability/cap_capable/enable', '1');
  return openSync(`${directory}/trace_pipe`, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** An fd of tracefs' root; or why capabilities cannot be watched on this machine. */
export function openTracefs(): number | { readonly unwatched: string } {
  let root: number;
  try {
    root = detachedMount('tracefs');
  } catch (error) {
    return { unwatched: `this machine has no tracefs (${error instanceof Error ? error.message : error})` };
  }
  if (existsSync(`/proc/self/fd/${root}/events/capability/cap_capable`)) return root;
  closeSync(root);
  return { unwatched: 'this kernel has no event for them (capability/cap_capable, Linux 6.14)' };
}

/** What every instance of ours is called. */
const PREFIX = 'podspace-';

export const instanceName = (uid: string, container: string, attempt: number): string =>
  `${PREFIX}${uid}-${container}-${attempt}`;

function removeInstance(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    // ENODEV: somebody else is removing it.
    if (!['ENOENT', 'ENODEV', 'EBUSY'].includes(errnoCode(error) ?? '')) throw error;
  }
}

/** Removes what killed commands have left; what is being read cannot be removed. */
export function sweepInstances(): void {
  const root = openTracefs();
  if (typeof root === 'object') return;
  try {
    const instances = `/proc/self/fd/${root}/instances`;
    for (const name of readdirSync(instances))
      if (name.startsWith(PREFIX)) removeInstance(`${instances}/${name}`);
  } finally {
    closeSync(root);
  }
}
