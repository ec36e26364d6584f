import { UserError } from '../../base/errors.ts';

/** What is wrong with a config, with the place: `mounts[2].destination: expected a string`. */
export class ConfigError extends UserError {}

/** Where JSON.parse says that it stopped; its words differ between versions of Node, the number does not. */
const POSITION = /at position (\d+)/;

/** JSON text of a foreign hand. An error names line and column, as an editor counts them. */
export function parseJson(text: string, file: string): unknown {
  try {
    // Numbers that JSON.parse would round are kept as text. No JSON string holds `"value": 1` with its quotes.
    return JSON.parse(text.replace(/("value(?:Two)?"\s*:\s*)(\d{16,20})(?=[\s,}])/g, '$1"\\u0000$2"'));
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    const position = Number(POSITION.exec(words)?.[1] ?? text.length);
    const before = text.slice(0, position).split('\n');
    const place = `${file}:${before.length}:${(before.at(-1) ?? '').length + 1}`;
    throw new ConfigError(`${place}: not JSON: ${words.slice(0, 120).replace(/[^ -~]/g, '?')}`, { cause });
  }
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 60);

/**
 * One object of the config. null is nothing, as with Go's decoder; an unknown property is passed over, as the
 * runtime-spec wants ("Extensibility"); a value of the wrong type is an error that names the field.
 */
export class Fields {
  readonly path: string;
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ConfigError(`${path === '' ? 'the config' : path}: expected an object, not ${shown(value)}`);
    this.#values = value as Record<string, unknown>;
    this.path = path;
  }

  at(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  fail(key: string, problem: string): never {
    throw new ConfigError(`${this.at(key)}: ${problem}`);
  }

  /** Fields that podspace does not act on: an error rather than a container that is not what was asked for. */
  refuse(...keys: readonly string[]): void {
    for (const key of keys) {
      const value = this.#get(key);
      const isEmpty =
        value === undefined ||
        value === '' ||
        value === false ||
        value === 0 ||
        (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
      if (!isEmpty) this.fail(key, 'is not supported');
    }
  }

  text(key: string): string | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') this.fail(key, `expected a string, not ${shown(value)}`);
    if (value.includes('\0')) this.fail(key, 'contains a NUL byte');
    return value;
  }

  word<const T extends string>(key: string, words: readonly T[]): T | undefined {
    const value = this.text(key);
    if (value === undefined || value === '') return undefined;
    const found = words.find(word => word === value);
    return found ?? this.fail(key, `${shown(value)} is none of ${words.join(', ')}`);
  }

  boolean(key: string): boolean {
    const value = this.#get(key);
    if (value === undefined) return false;
    return typeof value === 'boolean' ? value : this.fail(key, `expected true or false, not ${shown(value)}`);
  }

  /** A whole number; beyond 2^53 JSON has rounded it, and so have we. */
  integer(key: string, least = 0, most = 2 ** 64): number | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      this.fail(key, `expected a whole number from ${least} to ${most}, not ${shown(value)}`);
    return value;
  }

  object(key: string): Fields | undefined {
    const value = this.#get(key);
    return value === undefined ? undefined : new Fields(value, this.at(key));
  }

  list<T>(key: string, read: (value: unknown, path: string) => T): readonly T[] {
    const value = this.#get(key);
    if (value === undefined) return [];
    if (!Array.isArray(value)) this.fail(key, `expected a list, not ${shown(value)}`);
    return value.map((one, i) => read(one, `${this.at(key)}[${i}]`));
  }

  objects<T>(key: string, read: (fields: Fields) => T): readonly T[] {
    return this.list(key, (value, path) => read(new Fields(value, path)));
  }

  texts(key: string): readonly string[] {
    return this.list(key, (value, path) => {
      if (typeof value !== 'string') throw new ConfigError(`${path}: expected a string, not ${shown(value)}`);
      if (value.includes('\0')) throw new ConfigError(`${path}: contains a NUL byte`);
      return value;
    });
  }

  /** A map of texts; a number is none. */
  map(key: string): Readonly<Record<string, string>> | undefined {
    const fields = this.object(key);
    if (fields === undefined) return undefined;
    return Object.fromEntries(
      Object.keys(fields.#values).map(name => [name, fields.text(name) ?? ''] as const),
    );
  }

  /** The value as it is, for a reader of its own. */
  raw(key: string): unknown {
    return this.#get(key);
  }

  #get(key: string): unknown {
    const value = Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
    return value === null ? undefined : value;
  }
}

/** Leaves out what is not there, for objects whose fields are optional. */
export function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
