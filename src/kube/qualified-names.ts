import { regexError, subdomainErrors } from './names.ts';

const NAME = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const CHARACTERS =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/** Empty when `name` can be the key of a label or an annotation: a name, or `DNS-SUBDOMAIN/NAME` (IsQualifiedName). */
export function qualifiedNameErrors(name: string): readonly string[] {
  const parts = name.split('/');
  const message = (subject: string): string =>
    regexError(`${subject} ${CHARACTERS}`, NAME, 'MyName', 'my.name', '123-abc');
  if (parts.length > 2) {
    const text = message('a qualified name');
    return [`${text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const [last = '', prefix] = parts.toReversed();
  const errors: string[] = [];
  if (prefix === '') errors.push('prefix part must be non-empty');
  else if (prefix !== undefined) errors.push(...subdomainErrors(prefix).map(error => `prefix part ${error}`));
  if (last === '') errors.push('name part must be non-empty');
  else if (last.length > 63) errors.push('name part must be no more than 63 characters');
  if (!new RegExp(`^${NAME}$`).test(last)) errors.push(message('name part'));
  return errors;
}

/** Empty when `value` can be a label's (IsValidLabelValue). */
export function labelValueErrors(value: string): readonly string[] {
  const regex = `(${NAME})?`;
  const errors = value.length > 63 ? ['must be no more than 63 characters'] : [];
  if (new RegExp(`^${regex}$`).test(value)) return errors;
  const message = `a valid label must be an empty string or ${CHARACTERS.replace('must ', '')}`;
  return [...errors, regexError(message, regex, 'MyValue', 'my_value', '12345')];
}
