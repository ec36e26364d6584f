import { DEFINITIONS } from './schema.generated.ts';

/** A field of a definition, as the table has it. */
export interface SchemaField {
  readonly type: string;
  readonly required: boolean;
}

const parsed = new Map<string, ReadonlyMap<string, SchemaField>>();

/** The fields of a definition; the table's text is split when it is first asked for. */
export function fieldsOf(definition: string): ReadonlyMap<string, SchemaField> {
  let fields = parsed.get(definition);
  if (fields === undefined) {
    const words = (DEFINITIONS[definition] ?? '').split(' ').filter(word => word !== '');
    fields = new Map(
      words.map(word => {
        const colon = word.indexOf(':');
        const isRequired = word[colon - 1] === '!';
        return [
          word.slice(0, isRequired ? colon - 1 : colon),
          { type: word.slice(colon + 1), required: isRequired },
        ];
      }),
    );
    parsed.set(definition, fields);
  }
  return fields;
}

/** One step of the way from the document's root: the path so far, and the definition found there. */
export interface Ancestor {
  readonly path: string;
  readonly definition: string;
}

/**
 * What an unknown field was probably meant to be: a field of the same object that looks alike, or the field of that
 * name one level down or further up.
 */
export function suggest(field: string, ancestors: readonly Ancestor[]): string | undefined {
  const here = ancestors.at(-1);
  if (here === undefined) return undefined;
  const near = closest(field, [...fieldsOf(here.definition).keys()]);
  if (near !== undefined && near.distance <= 1) return `did you mean "${near.name}"?`;
  for (const ancestor of [...ancestors].reverse()) {
    const found = below(ancestor, field);
    if (found !== undefined) return `did you mean "${found}"?`;
  }
  return near === undefined ? undefined : `did you mean "${near.name}"?`;
}

/** Parts of objects that nobody means: what the system writes, and what a pod does not have at creation. */
const UNLIKELY = /^(status|managedFields|ephemeralContainers|affinity)$/;
const MAX_LEVELS = 3;

/** The field of that name nearest below an object, breadth first: `spec.containers[0].securityContext.privileged`. */
function below(start: Ancestor, field: string): string | undefined {
  let level: readonly Ancestor[] = [start];
  for (let depth = 0; depth <= MAX_LEVELS; depth++) {
    const found = level.find(({ definition }) => fieldsOf(definition).has(field));
    if (found !== undefined) return join(found.path, field);
    level = level.flatMap(({ path, definition }) =>
      [...fieldsOf(definition)].flatMap(([name, { type }]) => {
        const [, list, target] = /^(\[?)@(\w+)/.exec(type) ?? [];
        if (target === undefined || UNLIKELY.test(name)) return [];
        return [{ path: `${join(path, name)}${list === '[' ? '[0]' : ''}`, definition: target }];
      }),
    );
  }
  return undefined;
}

export function join(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}

/** The most similar of some names, if one is similar at all: at most a third of its letters differ. */
export function closest(
  name: string,
  candidates: readonly string[],
): { readonly name: string; readonly distance: number } | undefined {
  let best: { name: string; distance: number } | undefined;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) > 3) continue;
    const distance =
      candidate.toLowerCase() === name.toLowerCase()
        ? 0
        : editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (
      distance <= Math.max(1, Math.floor(candidate.length / 3)) &&
      (best === undefined || distance < best.distance)
    )
      best = { name: candidate, distance };
  }
  return best;
}

/** Levenshtein's distance; names are short. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(
        Math.min(
          (row[j] ?? 0) + 1,
          (next[j - 1] ?? 0) + 1,
          (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
        ),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
