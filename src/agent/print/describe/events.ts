import { age } from '../age.ts';
import { type Event, eventTimes } from '../event-row.ts';
import { field, line } from './lines.ts';

/** `11s (x8 over 55s)` */
export function eventInterval(event: Event, now: number): string {
  const { first, last, count } = eventTimes(event);
  const since = age(first, now);
  return count > 1 ? `${age(last, now)} (x${count} over ${since})` : since;
}

const order = (event: Event): number => Date.parse(eventTimes(event).last ?? '') || 0;

/** Versions grow: of events of one second they tell which one was last. */
const version = ({ metadata }: Event): number => Number(metadata?.resourceVersion ?? 0);

/** Events in the order in which they last happened. */
export const newestLast = <T extends Event>(events: readonly T[]): readonly T[] =>
  [...events].sort((one, other) => order(one) - order(other) || version(one) - version(other));

/** The last part of a description; nothing where events are not asked for. */
export function eventLines(events: readonly Event[] | undefined, now: number): readonly string[] {
  if (events === undefined) return [];
  if (events.length === 0) return [field('Events', '<none>')];
  const rows = newestLast(events).map(event => [
    event.type ?? '',
    event.reason ?? '',
    eventInterval(event, now),
    event.source?.component || (event.reportingComponent ?? ''),
    (event.message ?? '').trim(),
  ]);
  const header = [
    ['Type', 'Reason', 'Age', 'From', 'Message'],
    ['----', '------', '----', '----', '-------'],
  ];
  return ['Events:', ...[...header, ...rows].map(cells => line(cells.join('\t'), 1))];
}
