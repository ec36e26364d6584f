import type { ObjectMeta } from '../../kube/types.generated.ts';
import { age } from './age.ts';

/** A column of a `Table`, as the API server describes it (meta/v1.TableColumnDefinition). */
export interface Column {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** 0 is always printed, 1 with `-o wide`. */
  readonly priority: number;
}

export type Cell = string | number;

/** How the objects of a kind become rows: a cell for each column. */
export interface RowPrinter {
  readonly columns: readonly Column[];
  cells(object: never, now: number): readonly Cell[];
}

/** What every object has. */
export interface Named {
  readonly metadata?: ObjectMeta;
}

type Details = Partial<Pick<Column, 'type' | 'format' | 'priority'>>;

export function column(name: string, description: string, details: Details = {}): Column {
  return { name, type: 'string', format: '', priority: 0, ...details, description };
}

/** A column of `-o wide`. */
export const wideColumn = (name: string, description: string): Column =>
  column(name, description, { priority: 1 });

export const NAME = column('Name', 'The name of the object, unique in its namespace.', { format: 'name' });
export const AGE = column('Age', 'How long ago the object was created.');

export const NONE = '<none>';
export const UNSET = '<unset>';
export const UNKNOWN = '<unknown>';

export const nameOf = ({ metadata }: Named): string => metadata?.name ?? '';

export const ageOf = ({ metadata }: Named, now: number): string => age(metadata?.creationTimestamp, now);

/** `a=1,b=2` (labels.FormatLabels). */
export function formatLabels(labels: Readonly<Record<string, string>> = {}): string {
  const sorted = Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1));
  return sorted.map(([key, value]) => `${key}=${value}`).join(',') || NONE;
}

const SHOWN = 3;

/** The first three of a list, and how many are left. */
export function shortList(list: readonly string[], empty: string): string {
  const shown = list.slice(0, SHOWN).join(',');
  return list.length > SHOWN ? `${shown} + ${list.length - SHOWN} more...` : shown || empty;
}
