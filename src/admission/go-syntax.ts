import { quote } from '../base/go-quote.ts';
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
