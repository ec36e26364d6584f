import type { ApiObject } from '../objects.ts';
import { LAST_APPLIED } from '../print/describe/lines.ts';

type Json = Readonly<Record<string, unknown>>;

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const map = value as Json;
  return Object.fromEntries(
    Object.keys(map)
      .sort()
      .map(key => [key, sorted(map[key])]),
  );
}

/** An object with what it says itself kept in an annotation, as `kubectl apply` sends it (GetModifiedConfiguration). */
export function withLastApplied(object: ApiObject): ApiObject {
  const { [LAST_APPLIED]: _, ...annotations } = object.metadata.annotations ?? {};
  const own = { ...object, metadata: { ...object.metadata, annotations } };
  const configuration = `${JSON.stringify(sorted(own))}\n`;
  return {
    ...object,
    metadata: { ...object.metadata, annotations: { ...annotations, [LAST_APPLIED]: configuration } },
  };
}

/** What was applied the last time; undefined if nothing was. */
export function lastApplied({ metadata }: ApiObject): Json | undefined {
  const text = metadata.annotations?.[LAST_APPLIED];
  if (text === undefined) return undefined;
  try {
    const object = JSON.parse(text) as unknown;
    return typeof object === 'object' && object !== null ? (object as Json) : undefined;
  } catch {
    return undefined;
  }
}
