/** How long ago, as kubectl's AGE (HumanDuration of k8s.io/apimachinery/pkg/util/duration). */
export function age(timestamp: string | undefined, now: number): string {
  const then = Date.parse(timestamp ?? '');
  return Number.isNaN(then) ? '<unknown>' : humanDuration(Math.trunc((now - then) / 1000));
}

const [MINUTE, HOUR, DAY] = [60, 3600, 86_400] as const;
const YEAR = 365 * DAY;

/** Below a limit the duration prints in one unit, or in that and the next smaller one where that is not 0. */
const STEPS: readonly (readonly [
  below: number,
  unit: number,
  letter: string,
  small?: number,
  smallLetter?: string,
])[] = [
  [2 * MINUTE, 1, 's'],
  [10 * MINUTE, MINUTE, 'm', 1, 's'],
  [3 * HOUR, MINUTE, 'm'],
  [8 * HOUR, HOUR, 'h', MINUTE, 'm'],
  [48 * HOUR, HOUR, 'h'],
  [8 * DAY, DAY, 'd', HOUR, 'h'],
  [2 * YEAR, DAY, 'd'],
  [8 * YEAR, YEAR, 'y', DAY, 'd'],
  [Number.POSITIVE_INFINITY, YEAR, 'y'],
];

export function humanDuration(seconds: number): string {
  // The clocks of two machines may differ a little.
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  const [, unit = 1, letter = 's', small, smallLetter = ''] = STEPS.find(([below]) => seconds < below) ?? [];
  const large = `${Math.floor(seconds / unit)}${letter}`;
  const rest = small === undefined ? 0 : Math.floor((seconds % unit) / small);
  return rest === 0 ? large : `${large}${rest}${smallLetter}`;
}
