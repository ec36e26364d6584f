import { UserError } from '../../../base/errors.ts';
import { type Literal, type Operand, type Part, parseTemplate, type Step } from './parse.ts';

type Values = readonly unknown[];

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** All that a path finds from one value. What is not there is nothing. Throws a UserError for an index that is too large. */
export function findAll(steps: readonly Step[], value: unknown): Values {
  return follow(steps, [value]);
}

/** Each path of a union goes through all values before the next one does. */
function follow(steps: readonly Step[], from: Values): Values {
  return steps.reduce<Values>(
    (values, step) =>
      step.kind === 'union'
        ? step.paths.flatMap(path => follow(path, values))
        : values.flatMap(each => take(step, each)),
    from,
  );
}

function take(step: Exclude<Step, { kind: 'union' }>, value: unknown): Values {
  switch (step.kind) {
    case 'literal':
      return [step.value];
    case 'field':
      return fieldOf(step.name, value);
    case 'self':
      return [value];
    case 'every':
      return Array.isArray(value) ? value : isMap(value) ? Object.values(value) : [];
    case 'descend':
      return descendants(value);
    case 'slice':
      return sliceOf(step, value);
    case 'filter':
      return Array.isArray(value) ? value.filter(item => passes(step, item)) : [];
  }
}

const fieldOf = (name: string, value: unknown): Values =>
  isMap(value) && Object.hasOwn(value, name) ? [value[name]] : [];

function descendants(value: unknown): Values {
  const children = Array.isArray(value) ? value : isMap(value) ? Object.values(value) : [];
  return [value, ...children.flatMap(descendants)];
}

function sliceOf({ from, to, step = 1 }: Extract<Step, { kind: 'slice' }>, value: unknown): Values {
  if (!Array.isArray(value)) {
    if (value === null || value === undefined) return [];
    throw new UserError(`${typeof value} is not array or slice`);
  }
  const { length } = value;
  const fromEnd = (index: number): number => (index < 0 ? index + length : index);
  const first = fromEnd(from);
  const last = to === undefined || to === Number.POSITIVE_INFINITY ? length : fromEnd(to);
  if (first === last || (length === 0 && to === undefined)) return [];
  if (first >= length || first < 0) throw outOfBounds(first, length);
  if (last > length || last < 0) throw outOfBounds(last - 1, length);
  if (first > last) throw new UserError(`starting index ${first} is greater than ending index ${last}`);
  if (step <= 0) throw new UserError(`step must be > 0`);
  return value.slice(first, last).filter((_, i) => i % step === 0);
}

const outOfBounds = (index: number, length: number): UserError =>
  new UserError(`array index out of bounds: index ${index}, length ${length}`);

type Compare = (one: Literal, other: Literal) => boolean;

const COMPARE: Readonly<Record<string, Compare>> = {
  '==': (one, other) => one === other,
  '!=': (one, other) => one !== other,
  '<': (one, other) => one < other,
  '>': (one, other) => one > other,
  '<=': (one, other) => one <= other,
  '>=': (one, other) => one >= other,
};

function passes(
  { left, operator, right }: { readonly left: Operand; readonly operator: string; readonly right: Operand },
  item: unknown,
): boolean {
  const [one, ...more] = findAll(left, item);
  if (operator === 'exists') return one !== undefined;
  const [other] = findAll(right, item);
  if (one === undefined || other === undefined) return false;
  if (more.length > 0) throw new UserError('can only compare one element at a time');
  return COMPARE[operator]?.(one as Literal, other as Literal) ?? false;
}

/** Keys in order, as Go prints a map. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map(key => [key, sorted(value[key])]),
  );
}

/** A value as a template prints it. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(sorted(value)) : String(value);
}

/** A template's text for a value (`-o jsonpath=…`). Throws a UserError. */
export function renderTemplate(template: string, value: unknown): string {
  return evaluate(template, parts => render(parts, value));
}

/** The values that the paths of a template find (`-o jsonpath-as-json=…`). Throws a UserError. */
export function evaluateTemplate(template: string, value: unknown): Values {
  return evaluate(template, parts => valuesOf(parts, value));
}

function evaluate<T>(template: string, body: (parts: readonly Part[]) => T): T {
  let doing = 'parsing';
  try {
    const parts = parseTemplate(template);
    doing = 'executing';
    return body(parts);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`error ${doing} jsonpath ${JSON.stringify(template)}: ${error.message}`, {
      cause: error,
    });
  }
}

function valuesOf(parts: readonly Part[], value: unknown): Values {
  return parts.flatMap(part => {
    if (part.kind === 'text') return [];
    const found = findAll(part.steps, value);
    return part.kind === 'path' ? found : found.flatMap(item => valuesOf(part.body, item));
  });
}

function render(parts: readonly Part[], value: unknown): string {
  return parts
    .map(part => {
      if (part.kind === 'text') return part.text;
      const found = findAll(part.steps, value);
      if (part.kind === 'range') return found.map(item => render(part.body, item)).join('');
      return found.map(toText).join(' ');
    })
    .join('');
}
