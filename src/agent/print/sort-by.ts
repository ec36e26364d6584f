import { UserError } from '../../base/errors.ts';
import { exactQuantity } from '../../kube/quantity-order.ts';
import { findAll } from './jsonpath/evaluate.ts';
import { parseRelaxed } from './jsonpath/parse.ts';

/** Objects by what a path finds in them, as `--sort-by` orders them; those in which it finds nothing are first. */
export function sortBy<T>(objects: readonly T[], path: string): readonly T[] {
  const steps = parseRelaxed(path);
  const keyed = objects.map(object => ({ object, key: findAll(steps, object)[0] }));
  if (keyed.length > 0 && keyed.every(({ key }) => key === undefined))
    throw new UserError(`couldn't find any field with path "${path}" in the list of objects`);
  return keyed.sort((one, other) => compare(one.key, other.key)).map(({ object }) => object);
}

function compare(one: unknown, other: unknown): number {
  if (one === undefined || other === undefined)
    return Number(one !== undefined) - Number(other !== undefined);
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  const [text, otherText] = [String(one), String(other)];
  const [quantity, otherQuantity] = [exactQuantity(text)?.nanos, exactQuantity(otherText)?.nanos];
  if (quantity !== undefined && otherQuantity !== undefined)
    return quantity < otherQuantity ? -1 : Number(quantity > otherQuantity);
  return naturalOrder(text, otherText);
}

const partsOf = (text: string): readonly string[] => text.match(/\d+|\D+/g) ?? [];

/** Runs of digits by their number, the rest by its bytes: `web-2` before `web-10`. */
function naturalOrder(one: string, other: string): number {
  const [parts, others] = [partsOf(one), partsOf(other)];
  for (const [i, part] of parts.entries()) {
    const otherPart = others[i];
    if (otherPart === undefined) return 1;
    if (part === otherPart) continue;
    const areNumbers = /^\d/.test(part) && /^\d/.test(otherPart);
    const difference = areNumbers ? BigInt(part) - BigInt(otherPart) : 0n;
    if (difference !== 0n) return difference < 0n ? -1 : 1;
    return part < otherPart ? -1 : 1;
  }
  return parts.length - others.length;
}
