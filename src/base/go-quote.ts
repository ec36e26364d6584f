const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** What Go's unicode.IsPrint takes: of all spaces only the ASCII one. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Go's `%q` (strconv.Quote). */
export function quote(text: string): string {
  const characters = Array.from(text, character => {
    const escaped = ESCAPES[character];
    if (escaped !== undefined) return escaped;
    if (PRINTABLE.test(character)) return character;
    const code = character.codePointAt(0) ?? 0;
    const hex = (length: number): string => code.toString(16).padStart(length, '0');
    if (code < 0x80) return `\\x${hex(2)}`;
    return code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
  });
  return `"${characters.join('')}"`;
}
