import type { ObjectMeta } from '../../../kube/types.generated.ts';
import type { Event } from '../event-row.ts';
import type { Endpoints } from '../network-rows.ts';
import { type Named, NONE } from '../row.ts';

/** What beside the object a description shows. */
export interface Related {
  /** About the object; undefined where they are not asked for. */
  readonly events?: readonly Event[] | undefined;
  /** Of its namespace; of a node those of all. */
  readonly pods?: readonly Named[];
  /** Of the Service. */
  readonly endpoints?: Endpoints | undefined;
}

/** How an object of a kind is described, in lines whose tabs are made columns of. */
export type Describer = (object: never, related: Related, now: number) => readonly string[];

const INDENT = '  ';

/** `Name:<tab>value`, two spaces further right for each level. */
export const field = (name: string, value: string | number | boolean, level = 0): string =>
  `${INDENT.repeat(level)}${name}:\t${value}`;

/** A line, or a part that has lines below it. */
export const line = (text: string, level = 0): string => `${INDENT.repeat(level)}${text}`;

/** A field only if there is something to say. */
export const optional = (name: string, value: string | number | undefined, level = 0): readonly string[] =>
  value === undefined || value === '' ? [] : [field(name, value, level)];

/** A field with a line for each of its values. */
export function multiline(name: string, values: readonly string[], level = 0): readonly string[] {
  const [first = NONE, ...others] = values;
  return [field(name, first, level), ...others.map(value => `${INDENT.repeat(level)}\t${value}`)];
}

export function labelLines(name: string, labels: Readonly<Record<string, string>> = {}): readonly string[] {
  return multiline(
    name,
    Object.keys(labels)
      .sort()
      .map(key => `${key}=${labels[key]}`),
  );
}

export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const LONG = 140;

const shorten = (text: string): string => (text.length > LONG - 2 ? `${text.slice(0, LONG - 2)}...` : text);

/** Annotations but for what apply keeps in one; long ones are cut short. */
export function annotationLines(annotations: Readonly<Record<string, string>> = {}): readonly string[] {
  const keys = Object.keys(annotations).filter(key => key !== LAST_APPLIED);
  return multiline(
    'Annotations',
    keys.sort().flatMap(key => {
      const value = (annotations[key] ?? '').replace(/\n$/, '');
      if (value.length + key.length + 2 <= LONG && !value.includes('\n')) return [`${key}: ${value}`];
      return [`${key}:`, ...value.split('\n').map(part => `  ${shorten(part)}`)];
    }),
  );
}

/** Name, labels and annotations, with which nearly all descriptions begin. */
export function head(metadata: ObjectMeta = {}, hasNamespace = true): readonly string[] {
  return [
    field('Name', metadata.name ?? ''),
    ...(hasNamespace ? [field('Namespace', metadata.namespace ?? '')] : []),
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
  ];
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (number: number): string => String(number).padStart(2, '0');

/** `+0200` */
function zoneOffset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}

const clock = (date: Date): string =>
  `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

/** Go's RFC1123Z in local time, `Mon, 02 Jan 2006 15:04:05 -0700`; of no time, its year 1. */
export function formatTime(timestamp: string | null | undefined): string {
  const date = new Date(timestamp ?? '');
  if (Number.isNaN(date.getTime())) return 'Mon, 01 Jan 0001 00:00:00 +0000';
  const day = `${two(date.getDate())} ${MONTHS[date.getMonth()]} ${date.getFullYear()}`;
  return `${DAYS[date.getDay()]}, ${day} ${clock(date)} ${zoneOffset(date)}`;
}

/** Go's Time.String(), `2006-01-02 15:04:05 -0700 MST`. */
export function formatGoTime(timestamp: string | undefined): string {
  const date = new Date(timestamp ?? '');
  if (Number.isNaN(date.getTime())) return '0001-01-01 00:00:00 +0000 UTC';
  const name = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
    .formatToParts(date)
    .find(({ type }) => type === 'timeZoneName');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${clock(date)} ${zoneOffset(date)} ${name?.value ?? 'UTC'}`;
}

/** `True`, as kubectl writes booleans of a state. */
export const formatBoolean = (value: boolean): string => (value ? 'True' : 'False');

/** `[a b]`, as Go prints a list. */
export const goList = (items: readonly unknown[] = []): string => `[${items.join(' ')}]`;
