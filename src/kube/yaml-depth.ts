import { Lexer, Parser } from 'yaml';

/** Levels: no object of the API has as many. */
const MAX_DEPTH = 250;
/** What begins a level; as long as there are few of them, nobody needs to look closer. */
const INDICATORS = /[[{?:-]/;
/** Levels end with their document. */
const DOCUMENTS = /^(?=---(?:\s|$))/m;

/**
 * Where YAML is nested so deeply that who makes a tree of it, and calls itself for each level, might have no stack left: V8
 * ends the process where a regular expression is compiled then. Syntax is not looked at; what is wrong can be nested, too.
 */
export function deepestIn(text: string): number | undefined {
  let offset = 0;
  for (const document of text.split(DOCUMENTS)) {
    const isShallow = document.split(INDICATORS, MAX_DEPTH + 2).length <= MAX_DEPTH;
    const deep = isShallow ? undefined : deepestOf(document);
    if (deep !== undefined) return offset + deep;
    offset += document.length;
  }
  return undefined;
}

function deepestOf(document: string): number | undefined {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(document)) {
    // What it yields is whole: nobody wants that here.
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH) return parser.offset;
  }
  return undefined;
}
