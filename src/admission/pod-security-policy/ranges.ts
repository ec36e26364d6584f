import type { IDRange } from '../../kube/types.generated.ts';

/** What the strategies of users and groups have in common. */
export interface StrategyOptions {
  readonly rule?: string;
  readonly ranges?: readonly IDRange[];
}

/** Both ends belong to a range. */
export const isInRanges = (id: number, ranges: readonly IDRange[]): boolean =>
  ranges.some(({ min, max }) => id >= min && id <= max);

/** As Go prints a slice of structs: `[{2 10} {20 30}]`. */
export const formatRanges = (ranges: readonly IDRange[]): string =>
  `[${ranges.map(({ min, max }) => `{${min} ${max}}`).join(' ')}]`;
