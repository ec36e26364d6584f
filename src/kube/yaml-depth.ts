import { Lexer, Parser } from 'yaml';

/** Levels: no object of the API has as many. */
const MAX_DEPTH = 250;
/** What begins a level; as long as there are few of them, nobody needs to look closer. */
const INDICATORS = /[[{?:-]/;

/**
 * Where YAML is nested so deeply that who makes a tree of it, and calls itself for each level, might have no stack left: V8
 * ends the process where a regular expression is compiled then. Syntax is not looked at; what is wrong can be nested, too.
 */
export function deepestIn(text: string): number | undefined {
  if (text.split(INDICATORS, MAX_DEPTH + 2).length <= MAX_DEPTH) return undefined;
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    // What it yields is whole: nobody wants that here.
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH) return parser.offset;
  }
  return undefined;
}
