import { UserError } from '../../../base/errors.ts';
import { badRequest } from '../../api-error.ts';
import type { ApiObject } from '../../objects.ts';
import { chooseContainer, statusOfContainer } from '../containers.ts';
import type { ApiContext } from '../context.ts';
import type { StreamOptions } from './exec.ts';
import { failureStatus, type RemoteStreams, SUCCESS } from './remote.ts';

/** The container does not wait for a client that does not read: beyond so much it is let go. */
const MAX_UNREAD = 16 * 1024 * 1024;
/** Where all of them together leave more than this, whoever leaves something is. */
const MAX_OF_ALL = 64 * 1024 * 1024;
let ofAll = 0;
/** Milliseconds in which somebody who is let go can hear why. */
const FAREWELL = 5000;
const LET_GO = 'the container prints faster than this is read, or too many are attached to it';

/** Prepares to attach to a container's own process. Throws an ApiError before anything is upgraded. */
export function prepareAttach(
  { backend, log }: ApiContext,
  pod: ApiObject,
  options: StreamOptions,
): (remote: RemoteStreams) => Promise<void> {
  const { name: container, tty = false } = chooseContainer(pod, options.container);
  const { name = '', uid = '' } = pod.metadata;
  if (statusOfContainer(pod, container)?.state?.running === undefined)
    throw badRequest(`container ${container} is not running in pod ${name}`);
  if (options.tty && !tty)
    throw badRequest(`Unable to use a TTY - container ${container} did not allocate one`);
  return async remote => {
    let unread = 0;
    let ended = (_isOver: boolean): void => {};
    const end = new Promise<boolean>(resolve => {
      ended = resolve;
    });
    try {
      const session = await backend.attach(uid, container, {
        onOutput: (stream, chunk) => {
          if (remote.signal.aborted) return false;
          if (unread > MAX_UNREAD || (unread > 0 && ofAll > MAX_OF_ALL)) {
            remote.drop();
            return false;
          }
          const room = options[stream] ? remote.write(stream, chunk) : undefined;
          if (room === undefined) return true;
          unread += chunk.length;
          ofAll += chunk.length;
          void room.then(() => {
            unread -= chunk.length;
            ofAll -= chunk.length;
          });
          return true;
        },
        onEnd: exitCode => ended(exitCode !== undefined),
      });
      remote.signal.addEventListener('abort', () => ended(true), { once: true });
      if (session.isTerminal) remote.onResize(size => session.resize(size));
      if (remote.stdin !== undefined && session.hasStdin) void feed(remote, session);
      const isOver = await end;
      session.close();
      remote.finish(isOver ? SUCCESS : failureStatus(LET_GO));
      // Perhaps that is not read, either.
      if (!isOver) setTimeout(() => remote.drop(), FAREWELL).unref();
    } catch (error) {
      if (!(error instanceof UserError)) log.error({ stack: (error as Error).stack }, 'attach failed');
      remote.finish(failureStatus(error instanceof UserError ? error.message : 'Internal error occurred'));
    }
  };
}

async function feed(
  { stdin, signal }: RemoteStreams,
  session: { write(chunk: Uint8Array): Promise<void>; end(): void },
): Promise<void> {
  try {
    for await (const chunk of stdin ?? []) {
      if (signal.aborted) return;
      await session.write(chunk as Buffer);
    }
    // Whoever leaves leaves the input open, unless it was for him alone: the backend knows.
    if (!signal.aborted) session.end();
  } catch {
    // The container has ended, or does not read: its end is told elsewhere.
  }
}
