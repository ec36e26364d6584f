/**
 * resource.Quantity, exact: how two of them compare, and how the API server prints one. Its parts are nanos (the finest
 * unit that Kubernetes keeps; more digits are rounded up).
 */
export interface ExactQuantity {
  readonly nanos: bigint;
  readonly format: 'decimal' | 'binary' | 'exponent';
}

const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const;
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;
const NANOS = 1_000_000_000n;
const SYNTAX = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$/;

/** Undefined if `text` is no quantity (or has an exponent that no quantity could hold). */
export function exactQuantity(text: string | number): ExactQuantity | undefined {
  const match = SYNTAX.exec(String(text));
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const binary = (BINARY as readonly string[]).indexOf(suffix);
  const power =
    exponent === undefined ? 3 * ((DECIMAL as readonly string[]).indexOf(suffix) - 3) : Number(exponent);
  const isBinary = binary > 0;
  const scale = isBinary ? 0 : power;
  let top = BigInt(`${whole}${fraction}`) * NANOS * (isBinary ? 1n << BigInt(10 * binary) : 1n);
  top *= 10n ** BigInt(Math.max(scale, 0));
  const bottom = 10n ** BigInt(fraction.length + Math.max(-scale, 0));
  const rounded = (top + bottom - 1n) / bottom;
  const format = isBinary ? 'binary' : exponent === undefined ? 'decimal' : 'exponent';
  return { nanos: sign === '-' ? -rounded : rounded, format };
}

/** Quantity.String(): the largest unit in which the number is whole, in the family that it was written in. */
export function formatQuantity({ nanos, format }: ExactQuantity): string {
  if (nanos === 0n) return '0';
  if (format === 'binary' && nanos % NANOS === 0n) {
    let [value, unit] = [nanos / NANOS, 0];
    for (; value % 1024n === 0n && unit < BINARY.length - 1; unit++) value /= 1024n;
    return `${value}${BINARY[unit]}`;
  }
  let [value, unit] = [nanos, 0];
  for (; value % 1000n === 0n && unit < DECIMAL.length - 1; unit++) value /= 1000n;
  const suffix = format === 'exponent' && unit !== 3 ? `e${3 * (unit - 3)}` : DECIMAL[unit];
  return `${value}${suffix}`;
}
