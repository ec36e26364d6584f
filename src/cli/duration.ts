import { UserError } from '../base/errors.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's durations, `1m30s`, in milliseconds; a bare number is seconds. Throws a UserError that names the option. */
export function parseDuration(value: string, option: string): number {
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== value) {
    throw new UserError(`option ${option}: "${value}" is not a duration`, {
      hint: 'for example 30s, 1m30s, 500ms',
    });
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNITS[unit ?? ''] ?? 0), 0);
}
