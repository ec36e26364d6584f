import type { AgentClient } from '../../agent/client.ts';
import { objectPath } from '../../agent/client.ts';
import { servedKind } from '../../agent/resources.ts';
import { UserError } from '../../base/errors.ts';
import type { Pod } from '../../kube/types.generated.ts';
import { parseDuration } from '../duration.ts';
import { type Args, flag, type Io, text, texts } from '../io.ts';
import { selectionOf } from '../objects/source.ts';
import { agent } from './connection.ts';
import { annotatedContainer, chosenContainer, namedPod } from './pod-names.ts';

/** Of `-l`, where nothing else is asked for. */
const TAIL_OF_MANY = '10';
const MAX_FOLLOWED = 5;

/** One container's log. */
interface LogRequest {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** `logs POD [-c CONTAINER]`, `logs -l SELECTOR`. */
export async function logs(args: Args, io: Io): Promise<number> {
  const [word, container, ...more] = texts(args, 'pod');
  const { labelSelector } = selectionOf(args);
  if (more.length > 0) throw new UserError(`unexpected argument "${more[0]}"`);
  if (word === undefined && labelSelector === undefined)
    throw new UserError(
      "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command",
    );
  if (word !== undefined && labelSelector !== undefined)
    throw new UserError('only a selector (-l) or a POD name is allowed');
  const query = logQuery(args, word === undefined);
  const client = await agent(args, io);
  const pods =
    word === undefined
      ? await selectedPods(client, args, labelSelector ?? '')
      : [await namedPod(client, args, word)];
  const requests = pods.flatMap(pod => requestsOf(args, io, pod, container));
  if (flag(args, 'follow') && requests.length > maxFollowed(args))
    throw new UserError(
      `you are attempting to follow ${requests.length} log streams, but maximum allowed concurrency is ${maxFollowed(args)}, use --max-log-requests to increase the limit`,
    );
  const print = (request: LogRequest): Promise<void> => printLog(client, args, io, request, query);
  if (flag(args, 'follow')) await Promise.all(requests.map(print));
  else for (const request of requests) await print(request);
  return 0;
}

const maxFollowed = (args: Args): number => Number(text(args, 'max-log-requests') ?? MAX_FOLLOWED);

/** PodLogOptions of the flags. Throws a UserError. */
function logQuery(args: Args, isOfMany: boolean): Readonly<Record<string, string | undefined>> {
  const number = (option: string): string | undefined => {
    const value = text(args, option);
    if (value !== undefined && !/^-?\d+$/.test(value))
      throw new UserError(`option --${option}: "${value}" is not a number`);
    return value === undefined || Number(value) < 0 ? undefined : value;
  };
  const [since, sinceTime] = [text(args, 'since'), text(args, 'since-time')];
  if (since !== undefined && sinceTime !== undefined)
    throw new UserError('at most one of `sinceTime` or `since` may be specified');
  if (sinceTime !== undefined && Number.isNaN(Date.parse(sinceTime)))
    throw new UserError(`option --since-time: "${sinceTime}" is no time`, {
      hint: 'for example 2026-01-01T10:00:00Z',
    });
  const tail = text(args, 'tail') === undefined && isOfMany ? TAIL_OF_MANY : number('tail');
  const isTrue = (option: string): string | undefined => (flag(args, option) ? 'true' : undefined);
  return {
    follow: isTrue('follow'),
    previous: isTrue('previous'),
    timestamps: isTrue('timestamps'),
    tailLines: tail,
    limitBytes: number('limit-bytes'),
    sinceTime,
    sinceSeconds:
      since === undefined
        ? undefined
        : String(Math.max(1, Math.ceil(parseDuration(since, '--since') / 1000))),
  };
}

async function selectedPods(client: AgentClient, args: Args, labelSelector: string): Promise<readonly Pod[]> {
  const { items } = await client.list(servedKind('Pod'), text(args, 'namespace') ?? 'default', {
    labelSelector,
  });
  return items as readonly Pod[];
}

/** The logs of a pod that are asked for: of the default container, the one that is named, or all. */
function requestsOf(args: Args, io: Io, whole: Pod, word: string | undefined): readonly LogRequest[] {
  const { metadata = {}, spec } = whole;
  const { namespace = 'default', name: pod = '' } = metadata;
  const inits = (spec?.initContainers ?? []).map(({ name }) => name);
  const containers = (spec?.containers ?? []).map(({ name }) => name);
  const of = (container: string): LogRequest => ({ namespace, pod, container });
  const named = text(args, 'container') ?? word;
  if (flag(args, 'all-containers')) {
    if (named !== undefined)
      throw new UserError('--all-containers=true should not be specified with container name');
    return [...inits, ...containers].map(of);
  }
  if (named !== undefined) {
    if (![...inits, ...containers].includes(named))
      throw new UserError(`container ${named} is not valid for pod ${pod}`);
    return [of(named)];
  }
  const container = chosenContainer(whole);
  const all = [...containers, ...inits.map(init => `${init} (init)`)];
  if (all.length > 1 && annotatedContainer(whole) === undefined)
    io.err(`Defaulted container ${JSON.stringify(container)} out of: ${all.join(', ')}\n`);
  return [of(container)];
}

async function printLog(
  client: AgentClient,
  args: Args,
  io: Io,
  { namespace, pod, container }: LogRequest,
  query: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const path = objectPath(servedKind('Pod'), namespace, pod, 'log');
  const response = await client.open('GET', path, { query: { ...query, container } });
  const prefix = flag(args, 'prefix') ? Buffer.from(`[pod/${pod}/${container}] `) : undefined;
  let isLineStart = true;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    io.outBytes(prefix === undefined ? chunk : prefixed(chunk, prefix, isLineStart));
    isLineStart = chunk.at(-1) === NEWLINE;
  }
}

const NEWLINE = 10;

function prefixed(chunk: Buffer, prefix: Buffer, isLineStart: boolean): Buffer {
  const parts: Buffer[] = isLineStart ? [prefix] : [];
  for (let from = 0; from < chunk.length; ) {
    const newline = chunk.indexOf(NEWLINE, from);
    const end = newline === -1 ? chunk.length : newline + 1;
    parts.push(chunk.subarray(from, end));
    if (newline !== -1 && end < chunk.length) parts.push(prefix);
    from = end;
  }
  return Buffer.concat(parts);
}
