import { UserError } from '../../../base/errors.ts';

/** A step from values to values. */
export type Step =
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'every' }
  | { readonly kind: 'descend' }
  /** A dot alone. */
  | { readonly kind: 'self' }
  | { readonly kind: 'slice'; readonly from: number; readonly to?: number; readonly step?: number }
  | { readonly kind: 'union'; readonly paths: readonly (readonly Step[])[] }
  | { readonly kind: 'filter'; readonly left: Operand; readonly operator: string; readonly right: Operand }
  | { readonly kind: 'literal'; readonly value: Literal };

export type Literal = string | number | boolean;
export type Operand = readonly Step[];

/** A template: text as it is, what a path finds, and what is said for each that one finds. */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'path'; readonly steps: readonly Step[] }
  | { readonly kind: 'range'; readonly steps: readonly Step[]; readonly body: readonly Part[] };

class Syntax extends UserError {}

/** Characters that end a field's name; a backslash before one makes it part of the name. */
const TERMINATORS = new Set(['.', ',', '[', ']', '$', '@', '{', '}', ' ', '\t', '\n', '\r', '']);
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
const OPERATORS = ['==', '!=', '<=', '>=', '<', '>'];

/** A template of `-o jsonpath=…` (k8s.io/client-go/util/jsonpath). Throws a UserError. */
export function parseTemplate(template: string): readonly Part[] {
  const scopes: { readonly steps: readonly Step[]; readonly body: Part[] }[] = [{ steps: [], body: [] }];
  const add = (part: Part): void => {
    scopes.at(-1)?.body.push(part);
  };
  for (let at = 0; at < template.length; ) {
    const open = template.indexOf('{', at);
    if (open !== at) add({ kind: 'text', text: template.slice(at, open === -1 ? undefined : open) });
    if (open === -1) break;
    const close = endOf(template, open);
    const action = template.slice(open + 1, close).trim();
    const range = /^range\b(.*)$/s.exec(action);
    if (range !== null) scopes.push({ steps: parsePath(range[1] ?? ''), body: [] });
    else if (action === 'end') {
      const done = scopes.pop();
      if (done === undefined || scopes.length === 0) throw new Syntax('not in range, nothing to end');
      add({ kind: 'range', ...done });
    } else for (const steps of parseAction(action)) add({ kind: 'path', steps });
    at = close + 1;
  }
  if (scopes.length > 1) throw new Syntax('unclosed range');
  return scopes[0]?.body ?? [];
}

/** A path as custom-columns, --sort-by and wait take it: with braces, a dot, or neither (RelaxedJSONPathExpression). */
export function parseRelaxed(text: string): readonly Step[] {
  if (text === '') return [];
  const match = /^\{\.?([^{}]+)\}$|^\.?([^{}]+)$/.exec(text);
  if (match === null)
    throw new Syntax(
      `unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'`,
    );
  const path = match[1] ?? match[2] ?? '';
  return parsePath(path.startsWith('[') ? path : `.${path}`);
}

/** The brace that closes the one at `open`, strings skipped. */
function endOf(template: string, open: number): number {
  let quote = '';
  for (let i = open + 1; i < template.length; i++) {
    const char = template[i] ?? '';
    if (char === '\\') i++;
    else if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '}') return i;
  }
  throw new Syntax('unclosed action');
}

/** What stands in braces: paths and literals one after the other, each printed for itself. */
function parseAction(action: string): readonly (readonly Step[])[] {
  const paths: Step[][] = [];
  const parser = new Parser(action);
  while (parser.hasMore) {
    const step = parser.next();
    const isNew = step.kind === 'literal' || paths.length === 0 || parser.isAfterSpace;
    if (isNew || paths.at(-1)?.[0]?.kind === 'literal') paths.push([step]);
    else paths.at(-1)?.push(step);
  }
  // Of braces with nothing in them, or only "@", the object itself.
  return paths.length === 0 ? [[]] : paths;
}

function parsePath(text: string): readonly Step[] {
  const parser = new Parser(text);
  const steps: Step[] = [];
  while (parser.hasMore) steps.push(parser.next());
  return steps;
}

class Parser {
  readonly #text: string;
  #at = 0;
  isAfterSpace = false;

  constructor(text: string) {
    this.#text = text;
    this.#skip();
    this.isAfterSpace = false;
  }

  /** Spaces, and the current object, which every path begins with. */
  #skip(): void {
    const from = this.#at;
    while (/[\s@$]/.test(this.#text[this.#at] ?? '')) this.#at++;
    this.isAfterSpace = this.#at > from;
  }

  get hasMore(): boolean {
    return this.#at < this.#text.length;
  }

  next(): Step {
    const isAfterSpace = this.isAfterSpace;
    const step = this.#step();
    const end = this.#at;
    this.#skip();
    [this.isAfterSpace, this.#nextIsAfterSpace] = [isAfterSpace || this.#nextIsAfterSpace, this.#at > end];
    return step;
  }

  #nextIsAfterSpace = false;

  #step(): Step {
    const char = this.#text[this.#at] ?? '';
    if (char === '[') return this.#brackets();
    if (char === '"' || char === "'") return { kind: 'literal', value: this.#string(char) };
    if (char === '.') return this.#field();
    const word = /^[+-]?[A-Za-z0-9_.]+/.exec(this.#text.slice(this.#at))?.[0];
    if (word === undefined) throw new Syntax(`unrecognized character in action: ${JSON.stringify(char)}`);
    this.#at += word.length;
    if (word === 'true' || word === 'false') return { kind: 'literal', value: word === 'true' };
    if (/^[+-]?(\d+\.?\d*|\.\d+)$/.test(word)) return { kind: 'literal', value: Number(word) };
    throw new Syntax(`unrecognized identifier ${word}`);
  }

  #field(): Step {
    this.#at++;
    if (this.#text[this.#at] === '.') return { kind: 'descend' };
    // `.[0]` is `[0]`.
    if (this.#text[this.#at] === '[') return this.#brackets();
    let name = '';
    for (let char = this.#text[this.#at] ?? ''; !TERMINATORS.has(char); char = this.#text[this.#at] ?? '') {
      if (char === '\\') this.#at++;
      name += this.#text[this.#at] ?? '';
      this.#at++;
    }
    if (name === '' && this.hasMore)
      throw new Syntax(`unrecognized character in action: ${JSON.stringify(this.#text[this.#at])}`);
    if (name === '*') return { kind: 'every' };
    return name === '' ? { kind: 'self' } : { kind: 'field', name };
  }

  #string(quote: string): string {
    let text = '';
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at] ?? '';
      if (char === quote) {
        this.#at++;
        return text;
      }
      if (char !== '\\') text += char;
      else {
        const escaped = this.#text[++this.#at] ?? '';
        text += ESCAPES[escaped] ?? escaped;
      }
    }
    throw new Syntax('unterminated quoted string');
  }

  #brackets(): Step {
    const from = this.#at + 1;
    let [depth, quote] = [1, ''];
    for (this.#at = from; depth > 0; this.#at++) {
      const char = this.#text[this.#at];
      if (char === undefined) throw new Syntax('unterminated array');
      if (quote !== '') quote = char === quote ? '' : quote;
      else if (char === '"' || char === "'") quote = char;
      else if (char === '[') depth++;
      else if (char === ']') depth--;
    }
    return subscript(this.#text.slice(from, this.#at - 1).trim());
  }
}

function subscript(text: string): Step {
  const filter = /^\?\s*\((.*)\)$/s.exec(text);
  if (filter !== null) return parseFilter(filter[1] ?? '');
  if (text === '*') return { kind: 'every' };
  const key = /^'([^']*)'$|^"([^"]*)"$/.exec(text);
  // What is quoted is a path all the same: a dot in a name has a backslash before it.
  if (key !== null) return { kind: 'union', paths: [parsePath(`.${key[1] ?? key[2] ?? ''}`)] };
  const slice = /^(-?\d*)(:-?\d*)?(:-?\d*)?$/.exec(text);
  if (slice !== null && text !== '') return parseSlice(slice);
  const members = splitOutside(text, ',');
  if (members.length < 2) throw new Syntax(`invalid array index ${text}`);
  return { kind: 'union', paths: members.map(member => unionMember(member.trim())) };
}

const unionMember = (text: string): readonly Step[] =>
  text.startsWith('.') || text.startsWith('@') ? parsePath(text) : [subscript(text)];

function parseSlice([, from = '', to, step]: RegExpExecArray): Step {
  const number = (text: string | undefined): number | undefined =>
    text === undefined || text === '' || text === ':' ? undefined : Number(text.replace(':', ''));
  const start = number(from);
  if (to === undefined)
    return { kind: 'slice', from: start ?? 0, to: (start ?? 0) + 1 || Number.POSITIVE_INFINITY };
  const [end, every] = [number(to), number(step)];
  return {
    kind: 'slice',
    from: start ?? 0,
    ...(end === undefined ? {} : { to: end }),
    ...(every === undefined ? {} : { step: every }),
  };
}

function parseFilter(text: string): Step {
  for (const operator of OPERATORS) {
    const sides = splitOutside(text, operator);
    if (sides.length === 2)
      return { kind: 'filter', left: parsePath(sides[0] ?? ''), operator, right: parsePath(sides[1] ?? '') };
  }
  return { kind: 'filter', left: parsePath(text), operator: 'exists', right: [] };
}

/** At separators that stand in no quotes and no brackets. */
function splitOutside(text: string, separator: string): readonly string[] {
  const parts: string[] = [];
  let [from, depth, quote] = [0, 0, ''];
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '[' || char === '(') depth++;
    else if (char === ']' || char === ')') depth--;
    else if (depth === 0 && text.startsWith(separator, i)) {
      parts.push(text.slice(from, i));
      from = i + separator.length;
      i += separator.length - 1;
    }
  }
  return [...parts, text.slice(from)];
}
