import { type Document, isAlias, type Node, parseAllDocuments, type ScalarTag } from 'yaml';
import { UserError } from '../base/errors.ts';
import { checkTree } from './source-tree.ts';
import { deepestIn } from './yaml-depth.ts';

/** A mistake at a place in a file. Lines and columns count from 1. */
export interface SourceError {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint?: string;
}

/** Nobody reads more, and a hostile file can have one for each of its lines. */
const MAX_SHOWN = 100;

/** All mistakes of the files that were read together; the message is what a user is shown. */
export class ManifestError extends UserError {
  readonly errors: readonly SourceError[];

  constructor(errors: readonly SourceError[], texts: ReadonlyMap<string, string>) {
    const shown = errors
      .slice(0, MAX_SHOWN)
      .map(error => formatSourceError(error, texts.get(error.file) ?? ''));
    const more = errors.length - shown.length;
    super([...shown, ...(more > 0 ? [`and ${more} more errors`] : [])].join('\n'));
    this.name = 'ManifestError';
    this.errors = errors;
  }
}

/** `file:line:column: message`, the line, a caret below the place, and the hint. */
export function formatSourceError(error: SourceError, text: string): string {
  // A file that is no text must not talk to the terminal.
  const line = (text.replace(BOM, '').split(/\r\n|\n|\r/)[error.line - 1] ?? '').replace(/\p{Cc}/gu, ' ');
  const start = Math.max(0, error.column - 60);
  // What a terminal would obey is not printed: the file may be anything.
  const shown = line.slice(start, start + 120).replace(/[\p{Cc}\p{Cf}]/gu, '\uFFFD');
  const caret = `${' '.repeat(Math.max(0, error.column - 1 - start))}^`;
  const hint = error.hint === undefined ? '' : `\n  hint: ${error.hint}`;
  return `${error.file}:${error.line}:${error.column}: ${error.message}\n  ${shown}\n  ${caret}${hint}`;
}

/** The package's own limit. */
const MAX_ALIASES = 100;

const BOM = /^\uFEFF/;

/** What YAML 1.2 leaves out of its characters (5.1), so that no tool shows less than there is. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/;

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One YAML document: its root node, and the way from a node to a place in the file. */
export interface SourceDocument {
  readonly file: string;
  readonly root: Node | null;
  /** The node itself, or what it stands for if it is an alias. */
  resolve(node: unknown): unknown;
  position(node: unknown): Position;
  /** What it says. Throws an Error where aliases make too much of it. */
  toJS(): unknown;
}

/**
 * Reads YAML as Kubernetes does: version 1.1 (`0644` is octal, `yes` is a boolean), without sexagesimals and
 * timestamps; JSON is a part of it. Syntax errors are collected, all of them.
 */
export function parseSource(file: string, text: string, errors: SourceError[]): readonly SourceDocument[] {
  const content = text.replace(BOM, '');
  const lines = lineStarts(content);
  const control = content.search(CONTROL);
  if (control !== -1) {
    errors.push({ file, ...place(lines, control), message: 'control characters are not allowed' });
    return [];
  }
  const deep = deepestIn(content);
  if (deep !== undefined) {
    errors.push({ file, ...place(lines, deep), message: 'nested too deeply' });
    return [];
  }
  const documents = parseAllDocuments(content, {
    version: '1.1',
    customTags: tags => [
      ...tags.filter(
        tag =>
          typeof tag === 'string' ||
          !/:timestamp|:TIME$/.test(`${tag.tag}:${'format' in tag ? tag.format : ''}`),
      ),
      OCTAL,
    ],
    merge: true,
    prettyErrors: false,
    // The package compares each key with each other one; source-tree.ts looks them up.
    uniqueKeys: false,
    logLevel: 'error',
    strict: true,
  });
  if (!Array.isArray(documents)) return [];
  return documents.map(document => {
    const found = document.errors.map(error => ({ offset: error.pos[0], message: firstLine(error.message) }));
    // The tree of a file with syntax errors may be half made.
    const tree = found.length === 0 ? checkTree(document as Document) : undefined;
    for (const { offset, message } of [...found, ...(tree?.errors ?? [])])
      errors.push({ file, ...place(lines, offset), message });
    return {
      file,
      root: (document.contents as Node | null) ?? null,
      resolve: node => (isAlias(node) ? tree?.targets.get(node) : node),
      position: node => place(lines, rangeOf(node) ?? document.range?.[0] ?? 0),
      toJS: () => document.toJS({ maxAliasCount: MAX_ALIASES }),
    };
  });
}

/** Go's strconv, and so Kubernetes, also takes the octal numbers of YAML 1.2. */
const OCTAL: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[-+]?0o[0-7]+$/,
  resolve: text => Number(text.replace(/^[-+]/, '')) * (text.startsWith('-') ? -1 : 1),
};

/** Where each line begins. The package's LineCounter misses those inside some broken scalars. */
function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  return starts;
}

function place(lines: readonly number[], offset: number): Position {
  let [first, last] = [0, lines.length - 1];
  while (first < last) {
    const middle = Math.ceil((first + last) / 2);
    if ((lines[middle] ?? 0) <= offset) first = middle;
    else last = middle - 1;
  }
  return { line: first + 1, column: offset - (lines[first] ?? 0) + 1 };
}

function firstLine(text: string): string {
  // The parser calls itself for each level, and reports where the stack ended as if it were a mistake of the file's.
  if (text.startsWith('Maximum call stack')) return 'nested too deeply';
  return (text.split('\n')[0] ?? '').replace(/:$/, '');
}

function rangeOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
