import { isMap, isScalar, isSeq, type Pair, type YAMLMap } from 'yaml';
import type { SourceDocument, SourceError } from './source.ts';
import { type Ancestor, fieldsOf, join, suggest } from './suggest.ts';

/** How unknown fields are taken: `strict` refuses them (the API server's default for kubectl), `warn` and `ignore` drop them. */
export type ValidateMode = 'strict' | 'warn' | 'ignore';

/** Aliases let a small file stand for an endless tree; no real manifest has so many nodes. */
const MAX_NODES = 200_000;
const MAX_HINTS = 100;
/** How far a value of any type may be nested. */
const MAX_DEPTH = 200;

/** One walk over a document: what it has found so far. */
export class Decoder {
  readonly errors: SourceError[] = [];
  readonly warnings: string[] = [];
  readonly #document: SourceDocument;
  readonly #mode: ValidateMode;
  #nodes = 0;

  constructor(document: SourceDocument, mode: ValidateMode) {
    this.#document = document;
    this.#mode = mode;
  }

  /** Decodes a node as a definition of the schema table; what is wrong goes into `errors`, with its place. */
  object(
    node: unknown,
    definition: string,
    path: string,
    ancestors: readonly Ancestor[] = [],
  ): Readonly<Record<string, unknown>> {
    const at = this.#document.resolve(node);
    const result: Record<string, unknown> = {};
    if (!isMap(at)) {
      this.#wrongType(at, path, 'an object');
      return result;
    }
    const fields = fieldsOf(definition);
    const way = [...ancestors, { path, definition }];
    for (const { key, keyNode, value } of this.pairs(at)) {
      const field = fields.get(key);
      if (field === undefined) this.#unknownField(keyNode, key, path, way);
      else {
        const decoded = this.#value(value, field.type, join(path, key), way);
        if (decoded !== undefined) result[key] = decoded;
      }
    }
    return result;
  }

  /** The entries of a mapping, merge keys (`<<`) expanded: what stands in the mapping itself wins. */
  pairs(
    map: YAMLMap,
  ): readonly { readonly key: string; readonly keyNode: unknown; readonly value: unknown }[] {
    const own: { key: string; keyNode: unknown; value: unknown }[] = [];
    const merged: { key: string; keyNode: unknown; value: unknown }[] = [];
    for (const { key: keyNode, value } of map.items as Pair[]) {
      if (!this.#count(keyNode)) break;
      const key = isScalar(keyNode) ? String(keyNode.value) : '';
      // The parser gives a merge key the value Symbol(<<); a quoted "<<" is an ordinary key.
      if (isScalar(keyNode) && typeof keyNode.value === 'symbol')
        merged.push(...this.#mergeSources(value).flatMap(source => this.pairs(source)));
      else own.push({ key, keyNode, value });
    }
    const names = new Set(own.map(({ key }) => key));
    for (const pair of merged) {
      if (!names.has(pair.key)) own.push(pair);
      names.add(pair.key);
    }
    return own;
  }

  #mergeSources(value: unknown): YAMLMap[] {
    const at = this.#document.resolve(value);
    if (isMap(at)) return [at];
    return isSeq(at) ? at.items.map(item => this.#document.resolve(item)).filter(item => isMap(item)) : [];
  }

  #value(node: unknown, type: string, path: string, way: readonly Ancestor[]): unknown {
    if (!this.#count(node)) return undefined;
    const at = this.#document.resolve(node);
    // The API server takes null for "not set", whatever the type.
    if (at === null || at === undefined || (isScalar(at) && at.value === null)) return undefined;
    if (type.startsWith('@')) return this.object(at, type.slice(1), path, way);
    if (type.startsWith('[')) return this.#list(at, type.slice(1, -1), path, way);
    if (type.startsWith('{')) return this.#map(at, type.slice(1, -1), path, way);
    if (type === 'a') return this.#anything(at, 0);
    if (!isScalar(at)) return this.#wrongType(at, path, SCALARS[type]?.name ?? type);
    const scalar = SCALARS[type];
    if (scalar === undefined || scalar.accepts(at.value))
      return typeof at.value === 'bigint' ? Number(at.value) : at.value;
    return this.#wrongType(at, path, scalar.name);
  }

  #list(at: unknown, type: string, path: string, way: readonly Ancestor[]): unknown {
    if (!isSeq(at)) return this.#wrongType(at, path, 'a list');
    return at.items.map(
      (item, i) => this.#value(item, type, `${path}[${i}]`, way) ?? (type.startsWith('@') ? {} : ''),
    );
  }

  #map(at: unknown, type: string, path: string, way: readonly Ancestor[]): unknown {
    if (!isMap(at)) return this.#wrongType(at, path, 'a mapping');
    const entries = this.pairs(at).map(
      ({ key, value }) => [key, this.#value(value, type, `${path}[${key}]`, way) ?? ''] as const,
    );
    return Object.fromEntries(entries);
  }

  #anything(at: unknown, depth: number): unknown {
    if (isScalar(at)) return at.value;
    // A chain of aliases can be deeper than the file that they stand in.
    if (depth > MAX_DEPTH) {
      this.error(at, 'nested too deeply');
      return undefined;
    }
    if (isSeq(at))
      return at.items.map(item =>
        this.#count(item) ? this.#anything(this.#document.resolve(item), depth + 1) : undefined,
      );
    if (isMap(at))
      return Object.fromEntries(
        this.pairs(at).map(({ key, value }) => [
          key,
          this.#anything(this.#document.resolve(value), depth + 1),
        ]),
      );
    return undefined;
  }

  /** False, with one error, once there are more nodes than any real file has. */
  #count(node: unknown): boolean {
    this.#nodes++;
    if (this.#nodes === MAX_NODES) this.error(node, `the document expands to more than ${MAX_NODES} nodes`);
    return this.#nodes < MAX_NODES;
  }

  #unknownField(node: unknown, key: string, path: string, way: readonly Ancestor[]): void {
    const message = `unknown field ${JSON.stringify(join(path, key))}`;
    // A look through the whole schema for each of a hostile file's keys would take its time.
    if (this.#mode === 'strict')
      this.error(node, message, this.errors.length < MAX_HINTS ? suggest(key, way) : undefined);
    else if (this.#mode === 'warn') {
      const { line, column } = this.#document.position(node);
      this.warnings.push(`${this.#document.file}:${line}:${column}: ${message}`);
    }
  }

  #wrongType(node: unknown, path: string, expected: string): undefined {
    const found = isScalar(node)
      ? describe(node.value)
      : isMap(node)
        ? 'an object'
        : isSeq(node)
          ? 'a list'
          : 'nothing';
    const hint = isScalar(node) ? conversionHint(node.value, node.source, expected) : undefined;
    this.error(node, `${path === '' ? 'the document' : path}: expected ${expected}, found ${found}`, hint);
    return undefined;
  }

  error(node: unknown, message: string, hint?: string): void {
    this.errors.push({
      file: this.#document.file,
      ...this.#document.position(node),
      message,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** As Go's base64.StdEncoding: padded, and only line ends are skipped. */
const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
const isInteger = (value: unknown): boolean => Number.isSafeInteger(value) || typeof value === 'bigint';
const QUANTITY = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+|[numkKMGTPE]|[KMGTPE]i)?$/;

/** Scalar types of the schema table. */
const SCALARS: Readonly<
  Record<string, { readonly name: string; readonly accepts: (value: unknown) => boolean }>
> = {
  s: { name: 'a string', accepts: value => typeof value === 'string' },
  b: { name: 'a boolean', accepts: value => typeof value === 'boolean' },
  i: {
    name: 'a 32-bit integer',
    accepts: value => isInteger(value) && Number(value) >= -(2 ** 31) && Number(value) < 2 ** 31,
  },
  l: { name: 'an integer', accepts: isInteger },
  q: {
    name: 'a quantity such as "500m" or "64Mi"',
    accepts: value => typeof value === 'number' || (typeof value === 'string' && QUANTITY.test(value)),
  },
  x: { name: 'an integer or a string', accepts: value => isInteger(value) || typeof value === 'string' },
  t: { name: 'a time', accepts: value => typeof value === 'string' },
  y: {
    name: 'base64',
    accepts: value => typeof value === 'string' && isBase64(value.replace(/[\r\n]/g, '')),
  },
};

function describe(value: unknown): string {
  if (typeof value === 'string')
    return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  return typeof value === 'boolean' ? `the boolean ${value}` : `the number ${String(value)}`;
}

/** YAML 1.1 reads `yes`, `on` and bare numbers as other things than text; quoting is the cure. */
function conversionHint(value: unknown, source: string | undefined, expected: string): string | undefined {
  if (expected === 'a string' && typeof value !== 'string') return `quote it: "${source ?? String(value)}"`;
  if (typeof value === 'string' && /integer|boolean/.test(expected) && /^(\d+|true|false)$/.test(value))
    return `write it without quotes: ${value}`;
  return undefined;
}
