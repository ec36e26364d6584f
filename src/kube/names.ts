/** k8s.io/apimachinery/pkg/util/validation: name formats, with its messages. */
const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const LABEL_MESSAGE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_MESSAGE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

const regexError = (message: string, regex: string, ...examples: readonly string[]): string =>
  `${message} (e.g. ${examples.map(example => `'${example}'`).join(', or ')}, regex used for validation is '${regex}')`;

/** Empty when `name` is a DNS label. */
export function labelErrors(name: string): readonly string[] {
  const errors = name.length > 63 ? ['must be no more than 63 characters'] : [];
  return new RegExp(`^${LABEL}$`).test(name)
    ? errors
    : [...errors, regexError(LABEL_MESSAGE, LABEL, 'my-name', '123-abc')];
}

/** Empty when `name` is a DNS subdomain. */
export function subdomainErrors(name: string): readonly string[] {
  const regex = `${LABEL}(\\.${LABEL})*`;
  const errors = name.length > 253 ? ['must be no more than 253 characters'] : [];
  return new RegExp(`^${regex}$`).test(name)
    ? errors
    : [...errors, regexError(SUBDOMAIN_MESSAGE, regex, 'example.com')];
}

/** Empty when `name` can be an environment variable (relaxed since 1.34: printable ASCII except "="). */
export function envNameErrors(name: string): readonly string[] {
  return /^[ -<>-~]+$/.test(name)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** Empty when `name` can be a port's: at most 15 of a–z, 0–9 and "-", with a letter. */
export function portNameErrors(name: string): readonly string[] {
  const errors: string[] = [];
  if (name.length > 15) errors.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/.test(name))
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (name.includes('--')) errors.push('must not contain consecutive hyphens');
  if (/^-|-$/.test(name)) errors.push('must not begin or end with a hyphen');
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)');
  return errors;
}

/** Empty when `key` can be one of a ConfigMap's or Secret's. */
export function configKeyErrors(key: string): readonly string[] {
  if (/^[-._a-zA-Z0-9]+$/.test(key) && key !== '.' && key !== '..' && !key.startsWith('..')) return [];
  return [
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', or 'KEY_NAME', or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
  ];
}

export function isIPAddress(text: string): boolean {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text))
    return text.split('.').every(part => Number(part) <= 255 && (part === '0' || !part.startsWith('0')));
  return (
    /^[0-9a-fA-F:]+(\d{1,3}(\.\d{1,3}){3})?$/.test(text) &&
    text.includes(':') &&
    (text.match(/::/g) ?? []).length <= 1 &&
    text.split(':').length <= 9
  );
}
