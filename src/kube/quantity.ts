const SUFFIXES: Readonly<Record<string, readonly [numerator: bigint, denominator: bigint]>> = {
  n: [1n, 1_000_000_000n],
  u: [1n, 1_000_000n],
  m: [1n, 1000n],
  '': [1n, 1n],
  k: [10n ** 3n, 1n],
  M: [10n ** 6n, 1n],
  G: [10n ** 9n, 1n],
  T: [10n ** 12n, 1n],
  P: [10n ** 15n, 1n],
  E: [10n ** 18n, 1n],
  Ki: [1n << 10n, 1n],
  Mi: [1n << 20n, 1n],
  Gi: [1n << 30n, 1n],
  Ti: [1n << 40n, 1n],
  Pi: [1n << 50n, 1n],
  Ei: [1n << 60n, 1n],
};

/** resource.Quantity in whole units, rounded up as Quantity.Value() does; undefined if it is none. */
export function parseQuantity(quantity: string | number): bigint | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$/.exec(
    String(quantity),
  );
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const [numerator, denominator] = SUFFIXES[suffix] ?? [1n, 1n];
  const power = Number(exponent ?? 0);
  let top = BigInt(`${whole}${fraction}` || '0') * numerator * 10n ** BigInt(Math.max(power, 0));
  const bottom = denominator * 10n ** BigInt(fraction.length) * 10n ** BigInt(Math.max(-power, 0));
  if (sign === '-') top = -top;
  const quotient = top / bottom;
  return top > 0n && top % bottom !== 0n ? quotient + 1n : quotient;
}
