import { type Document, isAlias, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { UserError } from '../base/errors.ts';

/** A mistake at a place in a file. Lines and columns count from 1. */
export interface SourceError {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint?: string;
}

/** All mistakes of the files that were read together; the message is what a user is shown. */
export class ManifestError extends UserError {
  readonly errors: readonly SourceError[];

  constructor(errors: readonly SourceError[], texts: ReadonlyMap<string, string>) {
    super(errors.map(error => formatSourceError(error, texts.get(error.file) ?? '')).join('\n'));
    this.name = 'ManifestError';
    this.errors = errors;
  }
}

/** `file:line:column: message`, the line, a caret below the place, and the hint. */
export function formatSourceError(error: SourceError, text: string): string {
  const line = (text.split(/\r\n|\n|\r/)[error.line - 1] ?? '').replace(/\t/g, ' ');
  const start = Math.max(0, error.column - 60);
  const shown = line.slice(start, start + 120);
  const caret = `${' '.repeat(Math.max(0, error.column - 1 - start))}^`;
  const hint = error.hint === undefined ? '' : `\n  hint: ${error.hint}`;
  return `${error.file}:${error.line}:${error.column}: ${error.message}\n  ${shown}\n  ${caret}${hint}`;
}

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
}

/**
 * Reads YAML as Kubernetes does: version 1.1 (`0644` is octal, `yes` is a boolean), without sexagesimals and
 * timestamps; JSON is a part of it. Syntax errors are collected, all of them.
 */
export function parseSource(file: string, text: string, errors: SourceError[]): readonly SourceDocument[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text.replace(/^\uFEFF/, ' '), {
    version: '1.1',
    lineCounter: lines,
    customTags: tags =>
      tags.filter(
        tag =>
          typeof tag === 'string' ||
          !/:timestamp|:TIME$/.test(`${tag.tag}:${'format' in tag ? tag.format : ''}`),
      ),
    merge: true,
    prettyErrors: false,
    uniqueKeys: true,
    strict: true,
  });
  if (!Array.isArray(documents)) return [];
  for (const document of documents) {
    for (const error of document.errors)
      errors.push({ file, ...place(lines, error.pos[0]), message: firstLine(error.message) });
  }
  return documents.map(document => ({
    file,
    root: (document.contents as Node | null) ?? null,
    resolve: node => (isAlias(node) ? node.resolve(document as Document) : node),
    position: node => place(lines, rangeOf(node) ?? document.range?.[0] ?? 0),
  }));
}

function place(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/:$/, '');
}

function rangeOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
