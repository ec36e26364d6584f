import type { AgentClient } from '../../agent/client.ts';
import type { ApiObject } from '../../agent/objects.ts';
import type { ServedType } from '../../agent/resources.ts';
import { ServerError } from '../../agent/server-error.ts';

/** Which object is looked at. */
export interface Subject {
  readonly type: ServedType;
  readonly namespace: string | undefined;
  readonly name: string;
}

/**
 * Looks at an object, now and at each change, until `isDone` says so; it gets undefined when there is none. Resolves with the
 * last state, or with 'timeout'.
 */
export async function untilObject(
  client: AgentClient,
  { type, namespace, name }: Subject,
  isDone: (object: ApiObject | undefined) => boolean,
  milliseconds: number,
): Promise<'done' | 'timeout'> {
  const end = AbortSignal.timeout(Math.ceil(Math.min(milliseconds, MAX_TIMER)));
  const selection = { fieldSelector: `metadata.name=${name}` };
  while (!end.aborted) {
    const { items, metadata } = await client.list(type, namespace, selection);
    if (isDone(items[0])) return 'done';
    const query = { ...selection, resourceVersion: metadata.resourceVersion };
    const stop = new AbortController();
    try {
      for await (const event of client.watch(type, namespace, query, AbortSignal.any([end, stop.signal])))
        if (event.type !== 'BOOKMARK' && isDone(event.type === 'DELETED' ? undefined : event.object))
          return 'done';
    } catch (error) {
      // A version that nobody remembers: looked at anew.
      const isExpired = error instanceof ServerError && error.status.code === 410;
      if (!isExpired && !end.aborted) throw error;
    } finally {
      stop.abort();
    }
  }
  return 'timeout';
}

/** setTimeout()'s. */
const MAX_TIMER = 2 ** 31 - 1;

/** Waits until an object has gone; another one of its name is not it. */
export function untilGone(
  client: AgentClient,
  { uid, ...subject }: Subject & { readonly uid: string | undefined },
  milliseconds = MAX_TIMER,
): Promise<'done' | 'timeout'> {
  return untilObject(
    client,
    subject,
    object => object === undefined || object.metadata.uid !== uid,
    milliseconds,
  );
}
