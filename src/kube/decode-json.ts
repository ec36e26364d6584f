import { DEFINITIONS, KINDS } from './schema.generated.ts';
import { fieldsOf } from './suggest.ts';

/** What decoding has found: the object without what is unknown, and what was wrong, in the API server's words. */
export interface DecodedJson {
  readonly object: Readonly<Record<string, unknown>>;
  /** `unknown field "spec.foo"`, once each. */
  readonly unknown: readonly string[];
  /** The first field of a wrong type: the API server stops there. */
  readonly error?: string;
}

/** How far a value of any type may be nested, and how many values there may be. */
const MAX_DEPTH = 200;
const MAX_NODES = 200_000;
/** strictjson's limit: nobody reads more. */
const MAX_UNKNOWN = 100;

class Mismatch extends Error {}

/** Decodes a parsed JSON value as an object of a kind (`v1/Pod`); undefined if there is no such kind. */
export function decodeJson(id: string, value: unknown): DecodedJson | undefined {
  const definition = Object.hasOwn(KINDS, id) ? KINDS[id] : undefined;
  return definition === undefined ? undefined : decodeDefinition(definition, value);
}

/** Decodes a parsed JSON value as a definition of the schema table. */
export function decodeDefinition(definition: string, value: unknown): DecodedJson {
  const walk = new Walk();
  try {
    const object = walk.object(value, definition, { path: '', goPath: '', owner: definition, depth: 0 });
    return { object, unknown: walk.unknown };
  } catch (error) {
    if (error instanceof Mismatch) return { object: {}, unknown: walk.unknown, error: error.message };
    throw error;
  }
}

/** Where a value is: with indexes for what is unknown, without them as Go's decoder names struct fields. */
interface Place {
  readonly path: string;
  readonly goPath: string;
  /** The struct that the field belongs to. */
  readonly owner: string;
  readonly depth: number;
}

class Walk {
  readonly unknown: string[] = [];
  #nodes = 0;

  object(value: unknown, definition: string, place: Place): Readonly<Record<string, unknown>> {
    if (!isRecord(value)) throw mismatch(value, place, goStruct(definition));
    const fields = fieldsOf(definition);
    const result: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      const path = place.path === '' ? key : `${place.path}.${key}`;
      const field = fields.get(key);
      if (field === undefined) {
        if (this.unknown.length < MAX_UNKNOWN) this.unknown.push(`unknown field ${JSON.stringify(path)}`);
        continue;
      }
      const goPath = place.goPath === '' ? key : `${place.goPath}.${key}`;
      const decoded = this.value(item, field.type, {
        path,
        goPath,
        owner: definition,
        depth: place.depth + 1,
      });
      if (decoded !== undefined) result[key] = decoded;
    }
    return result;
  }

  value(value: unknown, type: string, place: Place): unknown {
    this.#nodes++;
    if (this.#nodes > MAX_NODES || place.depth > MAX_DEPTH) throw new Mismatch('json: exceeded max depth');
    // The API server takes null for "not set", whatever the type.
    if (value === null || value === undefined) return undefined;
    const inner = { ...place, depth: place.depth + 1 };
    const [first] = type;
    if (first === '@') return this.object(value, type.slice(1), place);
    if (first === '[') return this.#list(value, type, inner);
    if (first === '{') return this.#map(value, type, inner);
    if (type === 'a') return this.#anything(value, place.depth);
    const scalar = SCALARS[type];
    if (scalar === undefined) throw new Error(`bug in podspace: no scalar type ${type}`);
    const error = scalar.error(value);
    if (error === undefined) return value;
    throw error === '' ? mismatch(value, place, scalar.name) : new Mismatch(error);
  }

  #list(value: unknown, type: string, place: Place): unknown {
    if (!Array.isArray(value)) throw mismatch(value, place, goType(type));
    const item = type.slice(1, -1);
    return value.map(
      (each, i) =>
        this.value(each, item, { ...place, path: `${place.path}[${i}]` }) ?? (item.startsWith('@') ? {} : ''),
    );
  }

  #map(value: unknown, type: string, place: Place): unknown {
    if (!isRecord(value)) throw mismatch(value, place, goType(type));
    const item = type.slice(1, -1);
    return record(
      Object.entries(value).map(([key, each]) => [
        key,
        this.value(each, item, { ...place, path: `${place.path}[${key}]` }) ?? '',
      ]),
    );
  }

  #anything(value: unknown, depth: number): unknown {
    this.#nodes++;
    if (this.#nodes > MAX_NODES || depth > MAX_DEPTH) throw new Mismatch('json: exceeded max depth');
    if (Array.isArray(value)) return value.map(each => this.#anything(each, depth + 1));
    if (!isRecord(value)) return value;
    return record(Object.entries(value).map(([key, each]) => [key, this.#anything(each, depth + 1)]));
  }
}

/** `__proto__` is a key as any other here. */
const record = (entries: readonly (readonly [string, unknown])[]): Record<string, unknown> =>
  Object.fromEntries(entries);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** encoding/json's UnmarshalTypeError. */
function mismatch(value: unknown, { goPath, owner }: Place, expected: string): Mismatch {
  const where =
    goPath === '' ? `Go value of type ${expected}` : `Go struct field ${owner}.${goPath} of type ${expected}`;
  return new Mismatch(`json: cannot unmarshal ${jsonType(value)} into ${where}`);
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'number' : `number ${value}`;
  return typeof value;
}

const goStruct = (definition: string): string => `v1.${definition}`;

function goType(type: string): string {
  if (type.startsWith('@')) return goStruct(type.slice(1));
  if (type.startsWith('[')) return `[]${goType(type.slice(1, -1))}`;
  if (type.startsWith('{')) return `map[string]${goType(type.slice(1, -1))}`;
  return SCALARS[type]?.name ?? 'interface {}';
}

const QUANTITY = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[numkKMGTPE]|[KMGTPE]i)?$/;
const QUANTITY_ERROR =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const isIn = (value: unknown, limit: number): boolean =>
  Number.isInteger(value) && Number(value) >= -limit && Number(value) < limit;

/** Scalar types of the schema table: Go's name, and what is wrong with a value; '' stands for its type. */
const SCALARS: Readonly<
  Record<string, { readonly name: string; error(value: unknown): string | undefined }>
> = {
  s: { name: 'string', error: value => (typeof value === 'string' ? undefined : '') },
  b: { name: 'bool', error: value => (typeof value === 'boolean' ? undefined : '') },
  i: { name: 'int32', error: value => (isIn(value, 2 ** 31) ? undefined : '') },
  l: { name: 'int64', error: value => (isIn(value, 2 ** 63) ? undefined : '') },
  q: {
    name: 'resource.Quantity',
    error: value =>
      typeof value === 'number' || (typeof value === 'string' && QUANTITY.test(value))
        ? undefined
        : QUANTITY_ERROR,
  },
  x: {
    name: 'intstr.IntOrString',
    error: value => (isIn(value, 2 ** 31) || typeof value === 'string' ? undefined : ''),
  },
  t: {
    name: 'v1.Time',
    error: value => {
      if (typeof value !== 'string') return '';
      if (TIME.test(value) && !Number.isNaN(Date.parse(value))) return undefined;
      return `parsing time ${JSON.stringify(JSON.stringify(value))} as "\\"2006-01-02T15:04:05Z07:00\\"": cannot parse ${JSON.stringify(value)} as "2006"`;
    },
  },
  y: {
    name: '[]uint8',
    error: value => {
      if (typeof value !== 'string') return '';
      const text = value.replace(/[\r\n]/g, '');
      if (text.length % 4 === 0 && BASE64.test(text)) return undefined;
      const at = /[^A-Za-z0-9+/]/.exec(text)?.index ?? text.length;
      return `illegal base64 data at input byte ${at}`;
    },
  },
};

/** Whether a definition is one of the table's. */
export const isDefined = (definition: string): boolean => Object.hasOwn(DEFINITIONS, definition);
