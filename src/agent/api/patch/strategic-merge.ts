import { isDeepStrictEqual } from 'node:util';
import { fieldsOf } from '../../../kube/suggest.ts';
import { badRequest } from '../../api-error.ts';
import { type ListStrategy, listStrategy } from './merge-keys.ts';
import { isObject } from './merge-patch.ts';

type Json = unknown;
type JsonObject = Readonly<Record<string, Json>>;

const ORDER = '$setElementOrder/';
const DELETE = '$deleteFromPrimitiveList/';

/**
 * A strategic merge patch, as `kubectl apply` sends them (apimachinery/pkg/util/strategicpatch): like a merge patch, but
 * lists of known types merge item by item. `definition` is that of the schema table, undefined for plain maps.
 */
export function strategicMerge(target: Json, patch: Json, definition: string | undefined): Json {
  if (!isObject(patch)) return patch;
  const { $patch: directive, $retainKeys: retained, ...changes } = patch;
  if (directive === 'replace') return changes;
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge')
    throw badRequest(`Unknown patch type: ${String(directive)}`);
  const result = new Map(Object.entries(isObject(target) ? retain(target, retained) : {}));
  for (const [key, value] of Object.entries(changes)) {
    if (key.startsWith('$')) continue;
    if (value === null) result.delete(key);
    else result.set(key, mergeField(result.get(key), value, key, { definition, changes }));
  }
  for (const [key, value] of Object.entries(changes)) {
    const [field, list] = [key.slice(key.indexOf('/') + 1), result.get(key.slice(key.indexOf('/') + 1))];
    if (!Array.isArray(list) || !Array.isArray(value) || Object.hasOwn(changes, field)) continue;
    if (key.startsWith(DELETE)) result.set(field, without(list, value));
    if (key.startsWith(ORDER))
      result.set(field, ordered(list, list, value, listStrategy(definition, field)?.mergeKey));
  }
  return Object.fromEntries(result);
}

interface Parent {
  readonly definition: string | undefined;
  readonly changes: JsonObject;
}

function mergeField(target: Json, value: Json, field: string, { definition, changes }: Parent): Json {
  const type = definition === undefined ? undefined : fieldsOf(definition).get(field)?.type;
  if (isObject(value)) return strategicMerge(target, value, definitionOf(type));
  const strategy = listStrategy(definition, field);
  if (!Array.isArray(value) || strategy === undefined) return value;
  const order = changes[`${ORDER}${field}`];
  const removed = changes[`${DELETE}${field}`];
  const before = Array.isArray(target) ? without(target, Array.isArray(removed) ? removed : []) : [];
  const merged = mergeList(before, value, strategy, definitionOf(type));
  return Array.isArray(order) ? ordered(merged, before, order, strategy.mergeKey) : merged;
}

/** `@Name` of an object, or of the items of a list. */
function definitionOf(type: string | undefined): string | undefined {
  return /^\[?@(\w+)\]?$/.exec(type ?? '')?.[1];
}

function retain(target: JsonObject, keys: Json): JsonObject {
  if (!Array.isArray(keys)) return target;
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)));
}

const without = (list: readonly Json[], removed: readonly Json[]): Json[] =>
  list.filter(item => !removed.some(each => isDeepStrictEqual(each, item)));

function mergeList(
  target: readonly Json[],
  patch: readonly Json[],
  { mergeKey }: ListStrategy,
  definition: string | undefined,
): readonly Json[] {
  if (mergeKey === undefined) return [...target, ...without(patch, target)];
  const items = patch.map(item => {
    if (isObject(item)) return item;
    throw badRequest(`expected an object in a list that merges by ${mergeKey}`);
  });
  if (items.some(({ $patch }) => $patch === 'replace'))
    return items.filter(({ $patch }) => $patch !== 'replace');
  const result = [...target];
  for (const item of items) {
    if (item[mergeKey] === undefined)
      throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
    const at = result.findIndex(each => isObject(each) && isDeepStrictEqual(each[mergeKey], item[mergeKey]));
    const before = at === -1 ? undefined : result[at];
    if (item.$patch === 'delete') {
      if (at !== -1) result.splice(at, 1);
    } else {
      const merged = strategicMerge(before, item, definition);
      if (at === -1) result.push(merged);
      else result[at] = merged;
    }
  }
  return result;
}

/** In the order that the patch lists; what only the server has stays where it was among the others. */
function ordered(
  list: readonly Json[],
  before: readonly Json[],
  order: readonly Json[],
  mergeKey: string | undefined,
): readonly Json[] {
  const keyOf = (item: Json): Json => (mergeKey !== undefined && isObject(item) ? item[mergeKey] : item);
  const keys = order.map(keyOf);
  const rank = (item: Json): number => keys.findIndex(key => isDeepStrictEqual(key, keyOf(item)));
  const wasAt = (item: Json): number => before.findIndex(each => isDeepStrictEqual(keyOf(each), keyOf(item)));
  const listed = list.filter(item => rank(item) !== -1).sort((a, b) => rank(a) - rank(b));
  const others = list.filter(item => rank(item) === -1);
  const result: Json[] = [];
  while (listed.length > 0 || others.length > 0) {
    const [next, other] = [listed[0], others[0]];
    const isOther =
      listed.length === 0 || (others.length > 0 && wasAt(other) !== -1 && wasAt(other) < wasAt(next));
    result.push(isOther ? others.shift() : listed.shift());
  }
  return result;
}
