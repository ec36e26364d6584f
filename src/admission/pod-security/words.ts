/** Pieces of the sentences that violations are told in. */

/** `"a", "b"`. */
export function joinQuote(items: readonly string[]): string {
  return items.map(item => `"${item}"`).join(', ');
}

export function pluralize(singular: string, count: number, plural = `${singular}s`): string {
  return count === 1 ? singular : plural;
}

/** A list as a set: sorted, each once. Numbers too are sorted as text. */
export function distinct(items: readonly string[]): readonly string[] {
  return [...new Set(items)].sort();
}

/** `container "a"`, `containers "a", "b"`. */
export function named(noun: string, names: readonly string[]): string {
  return `${pluralize(noun, names.length)} ${joinQuote(names)}`;
}

/** `container "a" uses hostPort`, `containers "a", "b" use hostPorts`: which ones follows. */
export function using(noun: string, names: readonly string[], object: string, count: number): string {
  return `${named(noun, names)} ${pluralize('uses', names.length, 'use')} ${pluralize(object, count)}`;
}
