/** k8s.io/apimachinery/pkg/util/validation: name formats, with its messages. */
const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const LABEL_WITH_UNDERSCORE = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const LABEL_MESSAGE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_MESSAGE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

/**
 * RegexError of k8s.io/apimachinery/pkg/util/validation: each example is followed by `, ` and the next one begins with
 * ` or `, hence the two spaces between them.
 */
export function regexError(message: string, regex: string, ...examples: readonly string[]): string {
  const words = examples.map(example => `'${example}', `).join(' or ');
  return `${message} (e.g. ${words}regex used for validation is '${regex}')`;
}

/** Empty when `name` is a DNS label. */
export function labelErrors(name: string): readonly string[] {
  const errors = name.length > 63 ? ['must be no more than 63 characters'] : [];
  return new RegExp(`^${LABEL}$`).test(name)
    ? errors
    : [...errors, regexError(LABEL_MESSAGE, LABEL, 'my-name', '123-abc')];
}

/** Empty when `name` is a DNS subdomain. */
export function subdomainErrors(name: string): readonly string[] {
  return subdomainErrorsOf(name, LABEL, SUBDOMAIN_MESSAGE);
}

/** Empty when `name` can be searched in: names of services (`_tcp`) have underscores. RelaxedDNSSearchValidation, GA in 1.34. */
export function searchDomainErrors(name: string): readonly string[] {
  return subdomainErrorsOf(name, LABEL_WITH_UNDERSCORE, SUBDOMAIN_MESSAGE.replace("'-'", "'_', '-'"));
}

function subdomainErrorsOf(name: string, label: string, message: string): readonly string[] {
  const regex = `${label}(\\.${label})*`;
  const errors = name.length > 253 ? ['must be no more than 253 characters'] : [];
  return new RegExp(`^${regex}$`).test(name)
    ? errors
    : [...errors, regexError(message, regex, 'example.com')];
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

/** Empty when `port` can be a port's number (IsValidPortNum). */
export function portNumberErrors(port: number): readonly string[] {
  return port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive'];
}

/** Empty when `key` can be one of a ConfigMap's or Secret's. */
export function configKeyErrors(key: string): readonly string[] {
  if (/^[-._a-zA-Z0-9]+$/.test(key) && key !== '.' && key !== '..' && !key.startsWith('..')) return [];
  return [
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', or 'KEY_NAME', or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
  ];
}

/** What Go's netip.ParseAddr takes, without zones: the API server refuses those, and leading zeros. */
export function isIPAddress(text: string): boolean {
  const halves = text.split('::');
  if (!text.includes(':')) return isIPv4(text);
  if (halves.length > 2) return false;
  const groups = halves.flatMap(half => (half === '' ? [] : half.split(':')));
  const hasIPv4 = groups.at(-1)?.includes('.') === true;
  const words = hasIPv4 ? groups.slice(0, -1) : groups;
  const count = words.length + (hasIPv4 ? 2 : 0);
  return (
    words.every(word => /^[0-9a-fA-F]{1,4}$/.test(word)) &&
    (!hasIPv4 || isIPv4(groups.at(-1) ?? '')) &&
    (halves.length === 2 ? count < 8 : count === 8)
  );
}

function isIPv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every(part => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}
