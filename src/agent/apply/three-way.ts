import { isDeepStrictEqual } from 'node:util';
import { KINDS } from '../../kube/schema.generated.ts';
import { fieldsOf } from '../../kube/suggest.ts';
import { type ListStrategy, listStrategy } from '../api/patch/merge-keys.ts';

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One thing as it was applied the last time, as it is to be, and as the server has it. */
interface Versions<T> {
  readonly original: T;
  readonly modified: T;
  readonly current: T;
}

/**
 * The strategic merge patch that makes of an object what a file says (CreateThreeWayMergePatch of
 * apimachinery/pkg/util/strategicpatch): what the file has and the object has not is added, what the file had the last time
 * and has no more goes, and what others have written stays. Empty if there is nothing to do.
 */
export function threeWayPatch(
  kind: { readonly apiVersion: string; readonly kind: string },
  versions: Versions<JsonObject>,
): JsonObject {
  return patchMap(versions, KINDS[`${kind.apiVersion}/${kind.kind}`]);
}

function patchMap(
  { original, modified, current }: Versions<JsonObject>,
  definition: string | undefined,
): JsonObject {
  const removed = Object.keys(original)
    .filter(key => !Object.hasOwn(modified, key) && Object.hasOwn(current, key))
    .map(key => [key, null] as const);
  const changed = Object.keys(modified).flatMap(key => {
    const field = { original: original[key], modified: modified[key], current: current[key] };
    return Object.entries(patchField(key, field, definition));
  });
  return Object.fromEntries([...removed, ...changed]);
}

/** The patch of one field: nothing, its new value, or more keys for a list. */
function patchField(
  key: string,
  { original, modified, current }: Versions<Json>,
  definition: string | undefined,
): JsonObject {
  if (modified === null) return current === undefined ? {} : { [key]: null };
  const inner = definition === undefined ? undefined : definitionOf(fieldsOf(definition).get(key)?.type);
  if (isObject(modified) && isObject(current)) {
    const patch = patchMap({ original: isObject(original) ? original : {}, modified, current }, inner);
    return Object.keys(patch).length === 0 ? {} : { [key]: patch };
  }
  const strategy = listStrategy(definition, key);
  if (Array.isArray(modified) && Array.isArray(current) && strategy !== undefined) {
    const lists = { original: Array.isArray(original) ? original : [], modified, current };
    return strategy.mergeKey === undefined
      ? patchSet(key, lists)
      : patchList(key, lists, { ...strategy, mergeKey: strategy.mergeKey }, inner);
  }
  return isDeepStrictEqual(modified, current) ? {} : { [key]: modified };
}

/** `@Name` of an object, or of the items of a list. */
const definitionOf = (type: string | undefined): string | undefined => /^\[?@(\w+)\]?$/.exec(type ?? '')?.[1];

const has = (list: readonly Json[], value: Json): boolean =>
  list.some(each => isDeepStrictEqual(each, value));

/** A list of plain values in which each stands once. */
function patchSet(key: string, { original, modified, current }: Versions<readonly Json[]>): JsonObject {
  const added = modified.filter(value => !has(current, value));
  const removed = original.filter(value => !has(modified, value) && has(current, value));
  return {
    ...(added.length === 0 ? {} : { [key]: added }),
    ...(removed.length === 0 ? {} : { [`$deleteFromPrimitiveList/${key}`]: removed }),
  };
}

function patchList(
  key: string,
  { original, modified, current }: Versions<readonly Json[]>,
  { mergeKey, retainKeys = false }: ListStrategy & { readonly mergeKey: string },
  definition: string | undefined,
): JsonObject {
  const keyOf = (item: Json): Json => (isObject(item) ? item[mergeKey] : undefined);
  const find = (list: readonly Json[], item: Json): JsonObject | undefined =>
    list.filter(isObject).find(each => isDeepStrictEqual(keyOf(each), keyOf(item)));
  const changed = modified.flatMap(item => {
    const before = find(current, item);
    if (!isObject(item) || before === undefined) return [item];
    const patch = patchMap(
      { original: find(original, item) ?? {}, modified: item, current: before },
      definition,
    );
    if (Object.keys(patch).length === 0) return [];
    const retained = retainKeys ? { $retainKeys: Object.keys(item).sort() } : {};
    return [{ ...retained, ...patch, [mergeKey]: keyOf(item) }];
  });
  const removed = original
    .filter(item => find(modified, item) === undefined && find(current, item) !== undefined)
    .map(item => ({ $patch: 'delete', [mergeKey]: keyOf(item) }));
  if (changed.length + removed.length === 0) return {};
  const order = modified.map(item => ({ [mergeKey]: keyOf(item) }));
  return { [`$setElementOrder/${key}`]: order, [key]: [...changed, ...removed] };
}
