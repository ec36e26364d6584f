import { age } from './age.ts';
import { column, NAME, type Named, nameOf, type RowPrinter, wideColumn } from './row.ts';

/** core/v1.Event, as far as it is printed. */
export interface Event extends Named {
  readonly involvedObject?: {
    readonly kind?: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly uid?: string;
    readonly fieldPath?: string;
  };
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly source?: { readonly component?: string; readonly host?: string };
  readonly reportingComponent?: string;
  readonly reportingInstance?: string;
  readonly count?: number;
  readonly firstTimestamp?: string | null;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string };
}

/** When an event was first and last seen, and how often. */
export function eventTimes(event: Event): {
  readonly first: string | undefined;
  readonly last: string | undefined;
  readonly count: number;
} {
  const first = event.firstTimestamp ?? event.eventTime ?? undefined;
  return {
    first,
    last: event.series?.lastObservedTime ?? event.lastTimestamp ?? first,
    count: event.series?.count ?? (event.count || 1),
  };
}

/** `kubelet, NODE` (formatEventSource). */
export function eventSource({ source = {}, reportingComponent, reportingInstance }: Event): string {
  const parts = [source.component || reportingComponent, source.host || reportingInstance];
  return parts.filter(part => (part ?? '') !== '').join(', ');
}

/** `pod/web`; of an event about nothing that has a name, the kind. */
export function eventTarget({ involvedObject: { kind = '', name = '' } = {} }: Event): string {
  return name === '' ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`;
}

export const EVENT_ROW: RowPrinter = {
  columns: [
    column('Last Seen', 'How long ago it last happened.'),
    column('Type', 'Normal or Warning.'),
    column('Reason', 'What happened, in one word.'),
    column('Object', 'What it happened to.'),
    wideColumn('Subobject', 'The part of the object that it happened to.'),
    wideColumn('Source', 'Who says so.'),
    column('Message', 'What happened.'),
    wideColumn('First Seen', 'How long ago it first happened.'),
    { ...wideColumn('Count', 'How often it happened.'), type: 'integer' },
    { ...NAME, priority: 1 },
  ],
  cells: (event: Event, now) => {
    const { first, last, count } = eventTimes(event);
    return [
      age(last, now),
      event.type ?? '',
      event.reason ?? '',
      eventTarget(event),
      event.involvedObject?.fieldPath ?? '',
      eventSource(event),
      (event.message ?? '').trim(),
      age(first, now),
      count,
      nameOf(event),
    ];
  },
};
