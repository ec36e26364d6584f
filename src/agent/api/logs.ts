import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { PodStatus } from '../../kube/types.generated.ts';
import { attemptsOf, logDirectory } from '../../runtime/log-files.ts';
import { badRequest, notFound } from '../api-error.ts';
import type { LogEntry } from '../logs/cri-line.ts';
import { readLog } from '../logs/read-log.ts';
import type { ApiObject } from '../objects.ts';
import type { Registry } from '../registry.ts';
import { chooseContainer, statusOfContainer } from './containers.ts';
import type { ApiContext } from './context.ts';
import type { Asked } from './dispatch.ts';
import { type LogOptions, logOptions } from './log-options.ts';

/** Sends a container's log, and what comes to it. Throws an ApiError before anything is sent. */
export async function serveLog(
  { registry, roots }: ApiContext,
  { request: { type, namespace = '', name }, query, response }: Asked,
): Promise<void> {
  const pod = registry.get('Pod', namespace, name);
  if (pod === undefined) throw notFound(type, name);
  const options = logOptions(query);
  const { name: container } = chooseContainer(pod, options.container);
  const { uid = '' } = pod.metadata;
  const directory = join(logDirectory(roots, { namespace, name, uid }), container);
  const attempt = attemptOf(pod, container, attemptsOf(directory), options.previous);
  const closed = new AbortController();
  response.on('close', () => closed.abort());
  const log = readLog({
    directory,
    attempt,
    ...(options.tailLines === undefined ? {} : { tailLines: options.tailLines }),
    ...(options.follow && !options.previous
      ? { follow: { signal: closed.signal, ...endOf(registry, uid, container, attempt) } }
      : {}),
  });
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache, private' });
  response.flushHeaders();
  const writer = new LogWriter(response, options);
  for await (const entries of log) {
    const isEnough = writer.write(entries);
    if (isEnough || closed.signal.aborted) break;
    if (response.writableNeedDrain) await once(response, 'drain', { signal: closed.signal }).catch(() => {});
  }
  response.end();
}

const WAITING: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};

/** Which of the logs is meant. Throws an ApiError (400) in the kubelet's words where there is none (validateContainerLogStatus). */
function attemptOf(
  pod: ApiObject,
  container: string,
  attempts: readonly number[],
  isPrevious: boolean,
): number {
  const [newest, before] = attempts;
  const where = `container ${JSON.stringify(container)} in pod ${JSON.stringify(pod.metadata.name)}`;
  const { state, lastState } = statusOfContainer(pod, container) ?? {};
  if (isPrevious) {
    // Where the next attempt waits, the newest log is that of the one before.
    const isWaiting = state?.waiting !== undefined && lastState?.terminated !== undefined;
    const previous = isWaiting ? newest : before;
    if (previous !== undefined) return previous;
    throw badRequest(`previous terminated ${where} not found`);
  }
  if (newest !== undefined) return newest;
  if (state === undefined) throw badRequest(`${where} is not available`);
  const { reason = 'ContainerCreating' } = state.waiting ?? {};
  throw badRequest(`${where} is waiting to start: ${WAITING[reason] ?? reason}`);
}

/** When an attempt has ended: its status says so, or the pod has gone. */
function endOf(registry: Registry, uid: string, container: string, attempt: number) {
  return {
    hasEnded: (): boolean => {
      const pod = registry.pod(uid);
      if (pod === undefined) return true;
      const { phase = '' } = (pod.status ?? {}) as PodStatus;
      if (['Succeeded', 'Failed'].includes(phase)) return true;
      const { restartCount = 0, state = {}, lastState } = statusOfContainer(pod, container) ?? {};
      // A status may be older than the attempt that is read.
      if (restartCount !== attempt) return restartCount > attempt;
      return (
        state.terminated !== undefined || (state.waiting !== undefined && lastState?.terminated !== undefined)
      );
    },
    onChange: (changed: () => void): (() => void) =>
      registry.watch('Pod', undefined, ({ object }) => {
        if (object.metadata.uid === uid) changed();
      }),
  };
}

/** Entries as text: lines, from a time on, with their time if asked, up to a number of bytes. */
class LogWriter {
  readonly #response: ServerResponse;
  readonly #options: LogOptions;
  #left: number;
  /** Of each stream whether a line is open, which needs no time of its own. */
  readonly #isOpen = { stdout: false, stderr: false };

  constructor(response: ServerResponse, options: LogOptions) {
    this.#response = response;
    this.#options = options;
    this.#left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** True: nothing more is wanted. */
  write(entries: readonly LogEntry[]): boolean {
    const { since, stream: wanted, timestamps } = this.#options;
    const parts: Buffer[] = [];
    for (const { time, stream, isPartial, text } of entries) {
      if (wanted !== undefined && stream !== wanted) continue;
      if (since !== undefined && Date.parse(time) < since) continue;
      if (timestamps && !this.#isOpen[stream]) parts.push(Buffer.from(`${time} `));
      parts.push(isPartial ? text : Buffer.concat([text, NEWLINE]));
      this.#isOpen[stream] = isPartial;
    }
    const bytes = Buffer.concat(parts);
    const some = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#left -= some.length;
    if (some.length > 0) this.#response.write(some);
    return this.#left <= 0;
  }
}

const NEWLINE = Buffer.from('\n');
