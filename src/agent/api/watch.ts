import type { ServerResponse } from 'node:http';
import { ApiError } from '../api-error.ts';
import type { ApiObject, WatchEvent } from '../objects.ts';
import type { ServedType } from '../resources.ts';
import type { ApiContext } from './context.ts';
import { apiVersionOf } from './decode.ts';
import { asType } from './events-v1.ts';
import { type FormOptions, formOf } from './forms.ts';
import { shown } from './kinds.ts';
import { selection } from './list.ts';
import { isTrue, type ResourceRequest } from './request-info.ts';
import { Unread } from './unread.ts';

/** Seconds between two words about how far a watch is, where nothing happens. */
const BOOKMARK = 60;
/** Seconds that a watch lives where its client does not say, and at most (--min-request-timeout). */
const TIMEOUT = 3600;

/** Tells a client of changes until it goes, its time is over, or it does not listen. Resolves then. */
export function serveWatch(
  context: ApiContext,
  request: ResourceRequest,
  query: URLSearchParams,
  response: ServerResponse,
  options: FormOptions,
): Promise<void> {
  const isSelected = selection(request, query);
  const wantsBookmarks = isTrue(query.get('allowWatchBookmarks'));
  const wantsInitial = isTrue(query.get('sendInitialEvents'));
  const asked = query.get('resourceVersion') ?? '';
  const seconds = Math.min(Number(query.get('timeoutSeconds')) || TIMEOUT, TIMEOUT);
  return new Promise(resolve => {
    const { registry, metrics } = context;
    response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache, private' });
    let stop = (): void => {};
    const out = new Unread(response, () => {
      metrics.droppedWatch();
      context.log.warn({ resource: request.type.resource }, 'a watch is dropped: its client does not read');
    });
    const end = (): void => {
      stop();
      clearTimeout(timeout);
      clearInterval(bookmarks);
      out.end();
    };
    const send = (type: string, object: object): void => out.write(`${JSON.stringify({ type, object })}\n`);
    const sendObject = (type: string, object: ApiObject): void =>
      send(type, formOf(request.type, asType(request.type, shown(context, object)), options));
    const sendBookmark = (annotations?: Record<string, string>): void =>
      send('BOOKMARK', bookmark(request.type, registry.resourceVersion, annotations));
    const timeout = setTimeout(end, seconds * 1000).unref();
    const bookmarks = setInterval(() => {
      if (wantsBookmarks) sendBookmark();
    }, BOOKMARK * 1000).unref();
    response.on('close', () => {
      end();
      resolve();
    });
    response.on('error', end);
    response.flushHeaders();
    try {
      // Nothing happens in between: this is one turn of the event loop.
      if (asked === '' || asked === '0' || wantsInitial) {
        for (const object of registry.list(request.type.kind, request.namespace).items)
          if (isSelected(object)) sendObject('ADDED', object);
        if (wantsInitial && wantsBookmarks) sendBookmark({ 'k8s.io/initial-events-end': 'true' });
      }
      out.begun();
      const from = asked === '' || asked === '0' || wantsInitial ? undefined : asked;
      stop = registry.watch(request.type.kind, from, event => {
        const seen = seenBy(isSelected, event);
        if (seen !== undefined) sendObject(seen, event.object);
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      send('ERROR', error.status);
      end();
    }
  });
}

/** What a change is to somebody who sees some of the objects: one that no longer fits has gone, one that fits now is new. */
export function seenBy(
  isSelected: (object: ApiObject) => boolean,
  { type, object, previous }: WatchEvent,
): WatchEvent['type'] | undefined {
  const [was, is] = [previous !== undefined && isSelected(previous), isSelected(object)];
  if (type === 'DELETED') return was || is ? 'DELETED' : undefined;
  if (is) return was ? 'MODIFIED' : 'ADDED';
  return was ? 'DELETED' : undefined;
}

function bookmark(
  type: ServedType,
  resourceVersion: string,
  annotations?: Readonly<Record<string, string>>,
): object {
  return {
    kind: type.kind,
    apiVersion: apiVersionOf(type),
    metadata: {
      resourceVersion,
      creationTimestamp: null,
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
}
