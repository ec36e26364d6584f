import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { ResourceType } from '../admission/rbac/resources.ts';
import { errnoCode, UserError } from '../base/errors.ts';
import type { Status } from './api-error.ts';
import type { ApiObject } from './objects.ts';
import { ServerError } from './server-error.ts';

/** Whom the agent is to take us for. */
export interface Identity {
  readonly as?: string | undefined;
  readonly asGroups?: readonly string[] | undefined;
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export interface ObjectList {
  readonly items: readonly ApiObject[];
  readonly metadata: { readonly resourceVersion?: string };
}

/** What a watch tells: a change, or why it ends. */
export interface WatchLine {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: ApiObject;
}

/** Where objects of a type are: `/apis/GROUP/VERSION/namespaces/NS/RESOURCE/NAME`. */
export function objectPath(
  { group, version, resource, namespaced }: Omit<ResourceType, 'shortNames' | 'kind'>,
  namespace: string | undefined,
  ...rest: readonly string[]
): string {
  const root = group === '' ? ['api', version] : ['apis', group, version];
  const place = namespaced && namespace !== undefined ? ['namespaces', namespace] : [];
  return `/${[...root, ...place, resource, ...rest].map(encodeURIComponent).join('/')}`;
}

/** Speaks with the agent over its socket. What it refuses is thrown as a ServerError. */
export class AgentClient {
  readonly socketPath: string;
  readonly #headers: Readonly<Record<string, string | readonly string[]>>;
  readonly #connections = new Agent({ keepAlive: true });
  readonly #onWarning: (message: string) => void;

  constructor(
    socketPath: string,
    { as, asGroups = [] }: Identity = {},
    onWarning: (message: string) => void = () => {},
  ) {
    this.socketPath = socketPath;
    this.#onWarning = onWarning;
    this.#headers = {
      ...(as === undefined ? {} : { 'Impersonate-User': as }),
      ...(asGroups.length === 0 ? {} : { 'Impersonate-Group': [...asGroups] }),
    };
  }

  /** What a request needs beside its own: who asks. */
  get headers(): Readonly<Record<string, string | readonly string[]>> {
    return this.#headers;
  }

  get(type: ResourceType, namespace: string | undefined, name: string): Promise<ApiObject> {
    return this.json('GET', objectPath(type, namespace, name));
  }

  /** Undefined if there is none. */
  async find(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
  ): Promise<ApiObject | undefined> {
    try {
      return await this.get(type, namespace, name);
    } catch (error) {
      if (error instanceof ServerError && error.reason === 'NotFound') return undefined;
      throw error;
    }
  }

  /** The objects of a type, each with its kind, which a list leaves out. */
  async list(
    type: ResourceType,
    namespace: string | undefined,
    query: RequestOptions['query'] = {},
  ): Promise<ObjectList> {
    const { items, metadata } = await this.json<ObjectList>('GET', objectPath(type, namespace), { query });
    const apiVersion = type.group === '' ? type.version : `${type.group}/${type.version}`;
    return { metadata, items: items.map(item => ({ ...item, apiVersion, kind: type.kind })) };
  }

  create(
    type: ResourceType,
    namespace: string | undefined,
    object: object,
    query: RequestOptions['query'] = {},
  ): Promise<ApiObject> {
    return this.json('POST', objectPath(type, namespace), { body: object, query });
  }

  replace(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    object: object,
    query: RequestOptions['query'] = {},
  ): Promise<ApiObject> {
    return this.json('PUT', objectPath(type, namespace, name), { body: object, query });
  }

  patch(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    patch: object,
    query: RequestOptions['query'] = {},
  ): Promise<ApiObject> {
    return this.json('PATCH', objectPath(type, namespace, name), {
      body: patch,
      query,
      contentType: 'application/strategic-merge-patch+json',
    });
  }

  delete(
    type: ResourceType,
    namespace: string | undefined,
    name: string,
    options: object = {},
  ): Promise<ApiObject> {
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...options };
    return this.json('DELETE', objectPath(type, namespace, name), { body });
  }

  /** Changes of objects from a version on, until `signal`, or until the agent ends it. */
  async *watch(
    type: ResourceType,
    namespace: string | undefined,
    query: RequestOptions['query'],
    signal: AbortSignal,
  ): AsyncGenerator<WatchLine> {
    const path = objectPath(type, namespace);
    const response = await this.open('GET', path, { query: { ...query, watch: 'true' }, signal });
    for await (const line of linesOf(response, signal)) {
      const event = JSON.parse(line) as WatchLine;
      if (event.type === 'ERROR') throw new ServerError(event.object as unknown as Status);
      yield event;
    }
  }

  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const response = await this.open(method, path, options);
    return JSON.parse(await textOf(response)) as T;
  }

  /** Sends a request, and gives back its answer once that has begun well. */
  async open(method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    const { query = {}, body, contentType = 'application/json', signal } = options;
    const words = Object.entries(query).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value] satisfies [string, string]],
    );
    const search = words.length === 0 ? '' : `?${new URLSearchParams(words)}`;
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const sent = request({
      socketPath: this.socketPath,
      agent: this.#connections,
      method,
      path: `${path}${search}`,
      headers: {
        Host: 'podspace',
        Accept: 'application/json',
        ...this.#headers,
        ...(payload === undefined ? {} : { 'Content-Type': contentType, 'Content-Length': payload.length }),
      } as Record<string, string | string[] | number>,
      ...(signal === undefined ? {} : { signal }),
    });
    sent.end(payload);
    let response: IncomingMessage;
    try {
      [response] = (await once(sent, 'response')) as [IncomingMessage];
    } catch (cause) {
      if (signal?.aborted === true) throw cause;
      // A connection from before: another agent may listen by now. What changes something may have been done.
      if (sent.reusedSocket && method === 'GET') return this.open(method, path, options);
      throw lost(cause);
    }
    for (const header of response.headersDistinct.warning ?? []) this.#onWarning(warningText(header));
    if ((response.statusCode ?? 500) < 400) return response;
    throw new ServerError(statusOf(response.statusCode ?? 500, await textOf(response)));
  }
}

/** The text of `299 - "text"` (RFC 9111, 5.5). */
function warningText(header: string): string {
  const quoted = /^\d{3} \S+ "((?:[^"\\]|\\.)*)"/.exec(header)?.[1];
  return quoted === undefined ? header : quoted.replace(/\\(.)/g, '$1');
}

/** An answer that is no Status is not the agent's own. */
function statusOf(code: number, text: string): Status {
  try {
    const status = JSON.parse(text) as Status;
    if (status.kind === 'Status') return status;
  } catch {
    // Said as it is.
  }
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: text.trim(), code };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer);
  } catch (cause) {
    throw lost(cause);
  }
  return Buffer.concat(chunks).toString();
}

/** The lines of an answer as they come. */
async function* linesOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of response) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        const line = rest.subarray(0, end).toString();
        rest = rest.subarray(end + 1);
        if (line !== '') yield line;
      }
    }
  } catch (cause) {
    if (!signal.aborted) throw lost(cause);
  }
}

function lost(cause: unknown): UserError {
  const text = errnoCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
  return new UserError(`the agent does not answer: ${text}`, { cause, hint: 'podspace agent status' });
}
