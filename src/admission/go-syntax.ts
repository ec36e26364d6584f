import { type FieldError, formatFieldErrorWith } from '../kube/field-error.ts';

/** The lists that API servers up to 1.33 print in Go's syntax, by the names of their types there. */
export type GoType = '[]int64' | '[]string' | '[]core.Capability' | '[]policy.IDRange';

/** A field error as Kubernetes ≤ 1.33 prints it (field.Error of apimachinery): lists as Go's `%#v`, nil as `"null"`. */
export function formatGoFieldError(error: FieldError, goType?: GoType): string {
  return formatFieldErrorWith(error, value => (goType === undefined ? scalar(value) : list(value, goType)));
}

/** `[]int64{999}`; a list that is not there is a nil slice. */
function list(value: unknown, goType: GoType): string {
  if (!Array.isArray(value)) return `${goType}(nil)`;
  const element = goType.slice('[]'.length);
  return `${goType}{${value.map(item => (isObject(item) ? struct(item, element) : scalar(item))).join(', ')}}`;
}

/** `policy.IDRange{Min:1, Max:5}`: the fields in the order that the object has them. */
function struct(value: object, name: string): string {
  const fields = Object.entries(value).map(
    ([field, item]) => `${field.slice(0, 1).toUpperCase()}${field.slice(1)}:${scalar(item)}`,
  );
  return `${name}{${fields.join(', ')}}`;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function scalar(value: unknown): string {
  if (value === undefined || value === null) return '"null"';
  return typeof value === 'string' ? quote(value) : String(value);
}

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
