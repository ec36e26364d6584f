import { UserError } from '../../../base/errors.ts';
import { SIG } from '../../../linux/constants.generated.ts';
import { ContainerStartError, resizeTerminal } from '../../../runtime/container.ts';
import { type RunningExec, startExec } from '../../../runtime/exec.ts';
import { findPods, type PodRecord } from '../../../runtime/pod-directory.ts';
import { pump } from '../../../runtime/stdin.ts';
import { readAll, readTerminal } from '../../../runtime/streams.ts';
import { ApiError, badRequest, notFound } from '../../api-error.ts';
import type { ApiObject } from '../../objects.ts';
import { servedKind } from '../../resources.ts';
import { chooseContainer } from '../containers.ts';
import type { ApiContext } from '../context.ts';
import { exitStatus, failureStatus, type RemoteStreams } from './remote.ts';

/** What a client wants of exec or attach (v1.PodExecOptions). */
export interface StreamOptions {
  readonly container: string;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

const is = (query: URLSearchParams, field: string): boolean => ['1', 'true'].includes(query.get(field) ?? '');

/** Reads the query of a request. Throws an ApiError (400). */
export function streamOptions(query: URLSearchParams, needsCommand: boolean): StreamOptions {
  const command = query.getAll('command');
  if (needsCommand && command.length === 0) throw badRequest('you must specify at least 1 command');
  const options = {
    container: query.get('container') ?? '',
    command,
    stdin: is(query, 'stdin'),
    stdout: is(query, 'stdout'),
    stderr: is(query, 'stderr'),
    tty: is(query, 'tty'),
  };
  if (!options.stdin && !options.stdout && !options.stderr)
    throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
  if (options.tty && options.stderr) throw badRequest('tty and stderr cannot both be true');
  return options;
}

/** A pod of the registry. Throws an ApiError (404). */
export function podOf({ registry }: ApiContext, namespace: string | undefined, name: string): ApiObject {
  const pod = registry.get('Pod', namespace, name);
  if (pod === undefined) throw notFound(servedKind('Pod'), name);
  return pod;
}

/** What is known of a pod that runs. Throws an ApiError (500) with the API server's words where it does not. */
export function recordOf({ roots }: ApiContext, { metadata: { uid = '' } }: ApiObject): PodRecord {
  const found = findPods(roots).find(({ paths }) => paths.uid === uid);
  if (found?.record === undefined) throw notRunning();
  return found.record;
}

const notRunning = (why = 'the pod is not running'): ApiError =>
  new ApiError('InternalError', `Internal error occurred: ${why}`);

/** Prepares a command in a container of a pod. What it throws (ApiError) is answered before anything is upgraded. */
export function prepareExec(
  context: ApiContext,
  pod: ApiObject,
  options: StreamOptions,
): (streams: RemoteStreams) => Promise<void> {
  const { name } = chooseContainer(pod, options.container);
  const record = recordOf(context, pod);
  const container = record.containers.find(each => each.name === name);
  if (container === undefined) throw notRunning(`container not found (${JSON.stringify(name)})`);
  return streams =>
    runExec(streams, options, () =>
      startExec({
        hostRoot: record.hostRoot,
        container,
        command: options.command,
        terminal: options.tty,
        stdin: options.stdin,
        isDetachable: false,
      }),
    );
}

/** Milliseconds that output is waited for which a child in the background may hold for ever. */
const AFTER_END = 100;

async function runExec(
  remote: RemoteStreams,
  options: StreamOptions,
  start: () => Promise<RunningExec>,
): Promise<void> {
  let running: RunningExec;
  try {
    running = await start();
  } catch (error) {
    if (!(error instanceof UserError) && !(error instanceof ContainerStartError)) throw error;
    remote.finish(failureStatus(`failed to exec in container: ${error.message}`));
    return;
  }
  const { streams, exit, signal } = running;
  const flow = new Flow();
  const take =
    (stream: 'stdout' | 'stderr') =>
    (chunk: Buffer): boolean | Promise<void> => {
      if (remote.signal.aborted) return false;
      const room = options[stream] ? remote.write(stream, chunk) : undefined;
      return flow.passed(room) ?? true;
    };
  const reading =
    streams.terminal === undefined
      ? [readAll(streams.stdout ?? -1, take('stdout')), readAll(streams.stderr ?? -1, take('stderr'))]
      : [readTerminal(streams.terminal, take('stdout'))];
  const { terminal } = streams;
  let isOver = false;
  if (terminal !== undefined)
    remote.onResize(({ columns, rows }) => {
      if (!isOver) resizeTerminal(terminal, columns, rows);
    });
  const fd = terminal ?? streams.stdin;
  const stop =
    remote.stdin === undefined || fd === undefined
      ? () => {}
      : pump(remote.stdin, { fd, isTerminal: terminal !== undefined });
  // A client that has gone reads nothing more: the command is told as by a broken pipe, or a terminal that hung up.
  const hangUp = (): void => signal(terminal === undefined ? SIG.SIGPIPE : SIG.SIGHUP);
  remote.signal.addEventListener('abort', hangUp, { once: true });
  const { exitCode } = await exit;
  remote.signal.removeEventListener('abort', hangUp);
  await Promise.race([Promise.all(reading), flow.quiet(remote.signal)]);
  isOver = true;
  stop();
  remote.finish(exitStatus(exitCode));
}

/** What passes on its way to a client. */
class Flow {
  #waiting = 0;
  #last = 0;

  passed(room: Promise<void> | undefined): Promise<void> | undefined {
    this.#last = performance.now();
    if (room === undefined) return undefined;
    this.#waiting++;
    return room.finally(() => {
      this.#waiting--;
      this.#last = performance.now();
    });
  }

  /** Resolves when nothing has come for a while: a slow client gets all that there is, and what nobody ends is not waited for. */
  async quiet(signal: AbortSignal): Promise<void> {
    this.#last = performance.now();
    while (!signal.aborted && (this.#waiting > 0 || performance.now() - this.#last < AFTER_END))
      await new Promise(resolve => setTimeout(resolve, AFTER_END / 5));
  }
}
