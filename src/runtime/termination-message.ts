import { closeSync, constants, fchmodSync, fstatSync, openSync, readSync } from 'node:fs';

/** MaxContainerTerminationMessageLength, …LogLines and …LogLength of the kubelet (pkg/kubelet/container). */
const MAX_MESSAGE = 4096;
const MAX_LOG_LINES = 80;
const MAX_LOG = 2048;

/** What the messages of all containers of a pod may have together, in equal parts: MaxPodTerminationMessageLogLength. */
const MAX_POD = 12 << 10;

/**
 * The file in which a container can say why it ended. Its fd is held from before the container is there, so that no path
 * is looked at again: what is read is this file, whatever a container has put in its place since.
 */
export class TerminationLog {
  readonly #fd: number;

  private constructor(path: string, flags: number) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | flags, 0o666);
    // Whatever the umask: any user of the container may write to it.
    fchmodSync(this.#fd, 0o666);
  }

  static create(path: string): TerminationLog {
    return new TerminationLog(path, constants.O_CREAT | constants.O_EXCL);
  }

  /** That of a container that runs. */
  static open(path: string): TerminationLog {
    return new TerminationLog(path, 0);
  }

  /** Its last bytes. It may have grown to gigabytes, and may still be written to. */
  read(): string {
    const { size } = fstatSync(this.#fd);
    if (size === 0) return '';
    const buffer = Buffer.alloc(MAX_MESSAGE);
    const length = readSync(this.#fd, buffer, 0, MAX_MESSAGE, Math.max(0, size - MAX_MESSAGE));
    return buffer.toString('utf8', 0, length);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The end of a container's output, for FallbackToLogsOnError. */
export class LogTail {
  #bytes = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(-MAX_LOG)]).subarray(-MAX_LOG);
  }

  text(): string {
    const lines = this.#bytes.toString('utf8').split(/(?<=\n)/);
    return lines.slice(-MAX_LOG_LINES).join('');
  }
}

/** A message as it gets into the status of a pod of so many containers. */
export function fitMessage(message: string, containers: number): string {
  const bytes = Buffer.from(message);
  const limit = Math.floor(MAX_POD / containers);
  return bytes.length <= limit ? message : bytes.toString('utf8', 0, limit);
}
