import { closeSync, openSync, readSync } from 'node:fs';
import { errnoCode } from '../../base/errors.ts';
import { syscallNumber } from '../../linux/arch.ts';
import { SECCOMP_ARCHITECTURES } from '../../linux/seccomp.ts';
import { hostArch } from '../../native/library.ts';
import { Listener, type Notification, pollFds } from '../../native/notifications.ts';
import { receiveFd } from '../../native/pipe.ts';
import type { Observation } from '../../oci/audit/observation.ts';
import { NATIVE_ARCHITECTURES } from '../../oci/seccomp/profile.ts';
import { CapabilityWatch } from './capability-watch.ts';
import { type LayerState, readLayer, writtenDirectories } from './written.ts';

export interface ObserverInput {
  /** The container's program sends the listener through it; it is closed here. */
  readonly socket: number;
  /** Of the tracefs instance. */
  readonly instance: string;
  /** The container's writable layer, and the image's layers below it, the uppermost first. */
  readonly upper: string;
  readonly image: readonly string[];
  /** Which calls' first arguments are kept: numbers of this machine's architecture. */
  readonly withArgument: readonly number[];
}

/** Counts of one system call, by number: names are the caller's to find. */
export interface RawCall {
  readonly arch: number;
  readonly nr: number;
  count: number;
  readonly firstArguments: Set<number>;
}

export interface RawObservation extends Omit<Observation, 'calls'> {
  readonly calls: readonly RawCall[];
}

const NOTHING: RawObservation = {
  calls: [],
  capabilities: { unwatched: 'the container did not start' },
  written: [],
  isWrittenCut: false,
};

/** So many different values of an argument are kept. */
const MAX_ARGUMENTS = 64;

/**
 * Answers every system call of a container, from its first execve to the end of its last process, and keeps what was asked.
 * It waits: only for a thread of its own.
 */
export function observe(input: ObserverInput): RawObservation {
  const fd = receiveListener(input.socket);
  if (fd === undefined) return NOTHING;
  const observer = new Observer(input);
  try {
    const listener = new Listener(fd);
    for (;;) {
      const [calls, trace] = pollFds([fd, ...observer.traceFds]);
      if (trace?.isReady === true) observer.readTrace();
      if (calls?.isReady === true) {
        const notification = listener.receive();
        if (notification === undefined) continue;
        observer.see(notification);
        listener.letGoOn(notification);
      } else if (calls?.isOver === true) return observer.end();
    }
  } finally {
    closeSync(fd);
  }
}

/** Undefined if the program ended before it sent one: its end of the socket is closed then. */
function receiveListener(socket: number): number | undefined {
  try {
    pollFds([socket]);
    return receiveFd(socket);
  } catch (error) {
    if (errnoCode(error) === 'EBADMSG') return undefined;
    throw error;
  } finally {
    closeSync(socket);
  }
}

class Observer {
  readonly #input: ObserverInput;
  readonly #withArgument: ReadonlySet<number>;
  readonly #execve = syscallNumber(hostArch(), 'execve');
  readonly #clone3 = syscallNumber(hostArch(), 'clone3');
  readonly #arch = SECCOMP_ARCHITECTURES[NATIVE_ARCHITECTURES[hostArch()]];
  readonly #calls = new Map<string, RawCall>();
  #before: LayerState | undefined;
  #watch: CapabilityWatch | { readonly unwatched: string } = { unwatched: 'the container did not start' };

  constructor(input: ObserverInput) {
    this.#input = input;
    this.#withArgument = new Set(input.withArgument);
  }

  get traceFds(): readonly number[] {
    return this.#watch instanceof CapabilityWatch ? [this.#watch.fd] : [];
  }

  readTrace(): void {
    if (this.#watch instanceof CapabilityWatch) this.#watch.read();
  }

  /** One call. What comes before the first execve is podspace's own way into the container. */
  see(notification: Notification): void {
    const { arch, nr } = notification;
    const isNative = arch === this.#arch;
    if (this.#before === undefined) {
      if (!isNative || nr !== this.#execve) return;
      this.#before = readLayer(this.#input.upper);
      this.#watch = CapabilityWatch.start(this.#input.instance, notification.pid);
    }
    const key = `${arch}/${nr}`;
    let call = this.#calls.get(key);
    if (call === undefined) {
      call = { arch, nr, count: 0, firstArguments: new Set() };
      this.#calls.set(key, call);
    }
    call.count++;
    if (isNative && this.#withArgument.has(nr) && call.firstArguments.size < MAX_ARGUMENTS)
      call.firstArguments.add(nr === this.#clone3 ? cloneFlags(notification) : Number(notification.args(0)));
  }

  end(): RawObservation {
    const { upper, image } = this.#input;
    if (this.#before === undefined) return NOTHING;
    const { written, isCut } = writtenDirectories(image, this.#before, readLayer(upper));
    return {
      calls: [...this.#calls.values()],
      capabilities: this.#watch instanceof CapabilityWatch ? this.#watch.end() : this.#watch,
      written,
      isWrittenCut: isCut,
    };
  }
}

/** The first word of struct clone_args, clone3(2): the caller waits, so it is what the kernel will read, or somebody cheats. */
function cloneFlags({ pid, args }: Notification): number {
  const bytes = Buffer.alloc(8);
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${pid}/mem`, 'r');
    readSync(fd, bytes, 0, bytes.length, Number(args(0)));
  } catch {
    // A bad pointer, or nobody there any more: the call fails too.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return Number(bytes.readBigUInt64LE(0));
}
