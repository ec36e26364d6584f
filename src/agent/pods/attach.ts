import { closeSync, write } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../base/errors.ts';
import type { Container } from '../../kube/types.generated.ts';
import { makeSocketPair } from '../../native/pipe.ts';
import { resizeTerminal } from '../../runtime/container.ts';
import type { DetachedPod } from '../../runtime/detached.ts';
import type { AttachSession, AttachStreams } from '../backend.ts';

/** Milliseconds until a pipe that is full is tried again. */
const FULL = 20;
/** Milliseconds after the last of its output in which a container's end is told, if it is one. */
const END = 1000;

/**
 * Attaches somebody to a container that runs: he gets what it prints from now on, as its log gets it, and writes to its input.
 * Both streams come as one, in the order in which they are printed.
 */
export async function attachTo(
  pod: DetachedPod | undefined,
  { name: container, stdinOnce: isStdinOnce = false }: Pick<Container, 'name' | 'stdinOnce'>,
  streams: AttachStreams,
): Promise<AttachSession> {
  const running = pod?.lifecycle.running(container);
  const attempt = pod?.lifecycle.attempts().find(({ name }) => name === container)?.attempt;
  if (pod === undefined || running === undefined || attempt === undefined)
    throw new UserError(`container ${container} is not running`);
  const [ours, theirs] = makeSocketPair();
  try {
    pod.keeper.tee(container, attempt, theirs);
  } finally {
    closeSync(theirs);
  }
  const socket = new Socket({ fd: ours, readable: true, writable: true });
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
    socket.destroy();
  };
  socket.on('data', chunk => {
    if (!streams.onOutput('stdout', chunk as Buffer)) close();
  });
  socket.on('error', close);
  const { stdin, terminal } = running.streams;
  const input = terminal ?? stdin;
  const exited = running.exited.then(({ exitCode }) => exitCode);
  // What it printed last is on the way.
  void exited.then(() => socket.end());
  socket.once('close', async () => {
    // Of a container that goes on the shim has no place for one more, or he is too slow for what it prints.
    streams.onEnd(await Promise.race([exited, delay(END, undefined, { ref: false })]));
  });
  return {
    hasStdin: input !== undefined,
    isTerminal: terminal !== undefined,
    write: chunk => (input === undefined ? Promise.resolve() : writeAll(input, chunk, () => isOpen)),
    end: () => {
      // Of a container without stdinOnce the input stays open for the next one who is attached.
      if (terminal === undefined && isStdinOnce) pod.lifecycle.endInput(container);
    },
    resize: ({ columns, rows }) => {
      if (terminal !== undefined && isOpen) resizeTerminal(terminal, columns, rows);
    },
    close,
  };
}

/** Whoever reads slowly has who writes wait; a container that reads nothing is given up with the connection. */
async function writeAll(fd: number, bytes: Uint8Array, isWanted: () => boolean): Promise<void> {
  for (let at = 0; at < bytes.length && isWanted(); ) {
    const size = await new Promise<number>((resolve, reject) =>
      write(fd, bytes, at, bytes.length - at, null, (error, written) => {
        if (error === null) resolve(written);
        else if (error.code === 'EAGAIN') resolve(0);
        else reject(error);
      }),
    );
    at += size;
    if (size === 0) await new Promise(resolve => setTimeout(resolve, FULL));
  }
}
