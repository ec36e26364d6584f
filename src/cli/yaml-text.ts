/**
 * Plain data as YAML for people to read, in the package's own style. The package makes a tree of nodes first, which for a
 * thousand pods takes most of a second.
 */
export function formatYaml(value: unknown): string {
  return isCollection(value) ? block(value, '').slice(1).concat('\n') : `${scalar(value)}\n`;
}

type Collection = readonly unknown[] | Readonly<Record<string, unknown>>;

/** What is not empty, and so has lines of its own. */
function isCollection(value: unknown): value is Collection {
  if (Array.isArray(value)) return value.length > 0;
  for (const _ in typeof value === 'object' ? value : null) return true;
  return false;
}

/** Lines, each with its line feed before it. */
function block(value: Collection, indent: string): string {
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value as readonly unknown[])
      text += isCollection(item)
        ? `\n${indent}- ${block(item, `${indent}  `).slice(indent.length + 3)}`
        : `\n${indent}- ${scalar(item)}`;
    return text;
  }
  for (const [key, item] of Object.entries(value))
    if (item !== undefined)
      text += isCollection(item)
        ? `\n${indent}${string(key)}:${block(item, `${indent}  `)}`
        : `\n${indent}${string(key)}: ${scalar(item)}`;
  return text;
}

function scalar(value: unknown): string {
  if (typeof value === 'string') return string(value);
  return JSON.stringify(value) ?? 'null';
}

/** What is a string without quotes in YAML 1.1 and 1.2 alike; nothing that a number, a time or a comment could be. */
const PLAIN = /^[A-Za-z_/][A-Za-z0-9_./@:+-]*[A-Za-z0-9_./@+-]$|^[A-Za-z_/]$/;
/** And what looks like it and is not: some readers take `e5` for a number. */
const WORDS = /^(y|yes|n|no|true|false|on|off|null|e[-+]?\d+)$/i;

const string = (text: string): string =>
  PLAIN.test(text) && !WORDS.test(text) ? text : JSON.stringify(text);
