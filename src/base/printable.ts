/** Replaces control characters, as ps(1) does. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, '?');
}
