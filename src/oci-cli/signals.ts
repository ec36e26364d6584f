import { UserError } from '../base/errors.ts';
import { SIG } from '../linux/constants.generated.ts';

/** A number, `TERM`, `SIGTERM`, `RTMIN+1`; in any case of letters. */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^(SIG)?/, 'SIG');
  const known = Object.hasOwn(SIG, name) ? SIG[name as keyof typeof SIG] : undefined;
  if (known !== undefined) return known;
  const number = /^\d{1,2}$/.test(text) ? Number(text) : realTime(name);
  if (number === undefined || number > 64)
    throw new UserError(`unknown signal ${JSON.stringify(text.slice(0, 60))}`);
  return number;
}

/** glibc keeps the first two for itself. */
function realTime(name: string): number | undefined {
  const [, from, sign, offset = '0'] = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name) ?? [];
  if (from === undefined) return undefined;
  return (from === 'MIN' ? 34 : 64) + (sign === '-' ? -1 : 1) * Number(offset);
}
