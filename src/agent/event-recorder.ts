import { steadyTime } from '../runtime/timer.ts';
import { newUid } from '../runtime/uid.ts';
import type { EventFile } from './event-file.ts';
import type { ObjectTable } from './object-table.ts';
import { type ApiObject, timestamp } from './objects.ts';

/** Who tells of it: `kubelet`, about one of the pod's containers perhaps. */
export interface EventSource {
  readonly component: string;
  readonly container?: string;
}

export interface EventInput {
  readonly about: ApiObject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly source: EventSource;
}

/** The API server's --event-ttl. */
export const EVENT_TTL = 3_600_000;
/** Of all objects together: whoever makes pods fail all day does not take the agent's memory. */
export const MAX_EVENTS = 10_000;
/** validateEvent of the API server: what a message may have. */
const MAX_MESSAGE = 1024;

/** What makes two events the same one (getEventKey of client-go/tools/record). */
export function eventKey({ about, type, reason, message, source }: EventInput): string {
  const { namespace = '', name = '', uid = '' } = about.metadata;
  return JSON.stringify([
    source.component,
    source.container ?? '',
    about.kind,
    namespace,
    name,
    uid,
    type,
    reason,
    message,
  ]);
}

/** An event that has not been before. Its name is unique, as client-go makes it: the object's and the time. */
export function newEvent(input: EventInput, host: string, now: number, uid: string): ApiObject {
  const { about, type, reason, message, source } = input;
  const { namespace, name = '' } = about.metadata;
  const fieldPath = fieldPathOf(about, source.container);
  const time = timestamp(now);
  // Several in one millisecond are told apart by their uid.
  const nanoseconds = BigInt(now) * 1_000_000n + (BigInt(`0x${uid.slice(0, 5)}`) % 1_000_000n);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: {
      name: `${name}.${nanoseconds.toString(16)}`,
      namespace: namespace ?? 'default',
      uid,
      creationTimestamp: time,
    },
    involvedObject: {
      kind: about.kind,
      ...(namespace === undefined ? {} : { namespace }),
      name,
      uid: about.metadata.uid,
      apiVersion: about.apiVersion,
      resourceVersion: about.metadata.resourceVersion,
      ...(fieldPath === undefined ? {} : { fieldPath }),
    },
    reason,
    message: message.length > MAX_MESSAGE ? message.slice(0, MAX_MESSAGE) : message,
    source: source.component === 'kubelet' ? { component: 'kubelet', host } : { component: source.component },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
    eventTime: null,
    reportingComponent: source.component,
    reportingInstance: source.component === 'kubelet' ? host : '',
  };
}

/** The same once more. */
export function repeatedEvent(event: ApiObject, now: number): ApiObject {
  return { ...event, count: Number(event.count ?? 1) + 1, lastTimestamp: timestamp(now) };
}

/** `spec.containers{web}` (fieldpath of the kubelet's GenerateContainerRef). */
function fieldPathOf({ spec }: ApiObject, container: string | undefined): string | undefined {
  if (container === undefined) return undefined;
  const { initContainers = [] } = (spec ?? {}) as { initContainers?: readonly { readonly name: string }[] };
  const list = initContainers.some(({ name }) => name === container) ? 'initContainers' : 'containers';
  return `spec.${list}{${container}}`;
}

/** What an event was made of, so that the same once more is known. */
function inputOf(event: ApiObject): EventInput {
  const { involvedObject, type, reason, message, reportingComponent } = event as ApiObject & {
    readonly involvedObject?: Readonly<Record<string, string>>;
  };
  const { kind = '', apiVersion = '', namespace, name, uid, fieldPath = '' } = involvedObject ?? {};
  const container = /\{(.*)\}$/.exec(fieldPath)?.[1];
  const place = namespace === undefined ? {} : { namespace };
  return {
    about: { apiVersion, kind, metadata: { name, uid, ...place } },
    type: type === 'Warning' ? 'Warning' : 'Normal',
    reason: String(reason),
    message: String(message),
    source: { component: String(reportingComponent), ...(container === undefined ? {} : { container }) },
  };
}

/** The events of all objects: the same one more than once counts, and old ones go. */
export class EventRecorder {
  readonly #table: ObjectTable;
  readonly #host: string;
  readonly #file: EventFile;
  /** The event of each key, in the order in which they were told last. */
  readonly #known = new Map<string, KnownEvent>();

  constructor(table: ObjectTable, host: string, file: EventFile) {
    this.#table = table;
    this.#host = host;
    this.#file = file;
    const last = (event: ApiObject): number => Date.parse(String(event.lastTimestamp));
    for (const event of [...file.read()].sort((a, b) => last(a) - last(b)))
      this.#keep(inputOf(event), event, steadyTime(last(event)));
    this.dropOld();
  }

  record(input: EventInput, now = Date.now()): ApiObject {
    const known = this.#known.get(eventKey(input));
    const before = known && this.#table.get('Event', known.namespace, known.name);
    const event = this.#keep(
      input,
      before === undefined ? newEvent(input, this.#host, now, newUid()) : repeatedEvent(before, now),
    );
    this.#file.add(event, () => this.#table.list('Event'));
    if (this.#known.size > MAX_EVENTS) this.dropOld(MAX_EVENTS * 0.9);
    return event;
  }

  #keep(input: EventInput, event: ApiObject, at = performance.now()): ApiObject {
    const { namespace = '', name = '' } = event.metadata;
    const key = eventKey(input);
    const before = this.#known.get(key);
    if (before !== undefined && before.name !== name) this.#drop(before);
    this.#known.delete(key);
    this.#known.set(key, { namespace, name, at });
    return this.#table.put(event);
  }

  /** Drops what nobody has told of for an hour, and the oldest ones beyond a number. */
  dropOld(keep = MAX_EVENTS): void {
    const oldest = performance.now() - EVENT_TTL;
    for (const [key, event] of this.#known) {
      if (event.at >= oldest && this.#known.size <= keep) return;
      this.#known.delete(key);
      this.#drop(event);
    }
  }

  #drop({ namespace, name }: KnownEvent): void {
    const event = this.#table.get('Event', namespace, name);
    if (event !== undefined) this.#table.drop(event);
  }
}

interface KnownEvent {
  readonly namespace: string;
  readonly name: string;
  /** When it was told last, of performance.now(): whoever sets the clock does not make them old. */
  readonly at: number;
}
