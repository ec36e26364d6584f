/** The name that the PTR record of an address has, RFC 1035 §3.5 and RFC 3596 §2.5. */
export function reverseName(ip: string): string {
  if (!ip.includes(':')) return `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
  const digits = groupsOf(ip).flatMap(group => [...group.toString(16).padStart(4, '0')]);
  return `${digits.reverse().join('.')}.ip6.arpa`;
}

/** The eight numbers of a valid IPv6 address. */
function groupsOf(ip: string): readonly number[] {
  const [head = [], tail = []] = ip
    .split('::')
    .map(half => (half === '' ? [] : half.split(':').flatMap(wordsOf)));
  return ip.includes('::')
    ? [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
    : head;
}

/** The last word may be an IPv4 address, which is two. */
function wordsOf(word: string): readonly number[] {
  if (!word.includes('.')) return [Number.parseInt(word, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = word.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}
