import type { Named } from '../row.ts';
import { eventLines } from './events.ts';
import { field, head, line, type Related } from './lines.ts';

/** What the head has said already, and what is of no interest to people. */
const LEFT_OUT = ['name', 'namespace', 'labels', 'annotations', 'managedFields'].map(
  key => `metadata.${key}`,
);

const ACRONYMS = ['API', 'URL', 'UID', 'OSB', 'GUID'];

/** `readOnlyRootFilesystem` is `Read Only Root Filesystem`, `podIP` `Pod IP`. */
function labelOf(key: string): string {
  const words = key.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^A-Za-z\d_]+/g) ?? [];
  return words
    .map(word =>
      ACRONYMS.includes(word.toUpperCase())
        ? word.toUpperCase()
        : `${word.charAt(0).toUpperCase()}${word.slice(1)}`,
    )
    .join(' ');
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function contentLines(
  content: Readonly<Record<string, unknown>>,
  level: number,
  prefix = '',
): readonly string[] {
  return Object.keys(content)
    .sort()
    .filter(key => !LEFT_OUT.includes(`${prefix}${key}`))
    .flatMap(key => {
      const value = content[key];
      const label = labelOf(key);
      if (isMap(value))
        return [line(`${label}:`, level), ...contentLines(value, level + 1, `${prefix}${key}.`)];
      if (!Array.isArray(value)) return [field(label, String(value ?? '<nil>'), level)];
      const items = value.flatMap((item: unknown) =>
        isMap(item) ? contentLines(item, level + 1, `${prefix}${key}.`) : [line(String(item), level + 1)],
      );
      return [line(`${label}:`, level), ...items];
    });
}

/** An object of a kind about which kubectl knows nothing more: all its fields. */
export function describeAny(object: Named, { events }: Related, now: number): readonly string[] {
  return [
    ...head(object.metadata),
    ...contentLines(object as Readonly<Record<string, unknown>>, 0),
    ...eventLines(events, now),
  ];
}
