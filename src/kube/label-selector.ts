import { type FieldError, forbidden, invalid, required } from './field-error.ts';
import { labelValueErrors, qualifiedNameErrors } from './qualified-names.ts';
import type { LabelSelector, LabelSelectorRequirement } from './types.generated.ts';
import { validateLabels } from './validate-metadata.ts';

type Labels = Readonly<Record<string, string>>;

interface Operator {
  readonly needsValues: boolean;
  /** As kubectl writes it. */
  text(key: string, values: string): string;
  /** `value` is undefined when the label is not there. */
  matches(value: string | undefined, values: readonly string[]): boolean;
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  In: {
    needsValues: true,
    text: (key, values) => `${key} in (${values})`,
    matches: (value, values) => value !== undefined && values.includes(value),
  },
  NotIn: {
    needsValues: true,
    text: (key, values) => `${key} notin (${values})`,
    matches: (value, values) => value === undefined || !values.includes(value),
  },
  Exists: { needsValues: false, text: key => key, matches: value => value !== undefined },
  DoesNotExist: { needsValues: false, text: key => `!${key}`, matches: value => value === undefined },
};

function operatorOf(requirement: LabelSelectorRequirement): Operator | undefined {
  return Object.hasOwn(OPERATORS, requirement.operator) ? OPERATORS[requirement.operator] : undefined;
}

/** Everything in a selector must hold; an empty one matches all (LabelSelectorAsSelector). */
export function selectorMatches(selector: LabelSelector, labels: Labels = {}): boolean {
  const valueAt = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => valueAt(key) === value) &&
    (selector.matchExpressions ?? []).every(
      requirement =>
        operatorOf(requirement)?.matches(valueAt(requirement.key), requirement.values ?? []) === true,
    )
  );
}

/** `app=web,tier in (a,b),!x`, by key; empty for one that matches all (labels.Selector.String). */
export function formatSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const parts = [
    ...Object.entries(matchLabels).map(([key, value]) => [key, `${key}=${value}`] as const),
    ...matchExpressions.map(requirement => {
      const { key, values = [] } = requirement;
      return [key, operatorOf(requirement)?.text(key, [...values].sort().join(',')) ?? key] as const;
    }),
  ];
  return parts
    .sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
    .map(([, text]) => text)
    .join(',');
}

/** ValidateLabelSelector (k8s.io/apimachinery/pkg/apis/meta/v1/validation). */
export function validateLabelSelector(selector: LabelSelector, path: string): readonly FieldError[] {
  return [
    ...validateLabels(selector.matchLabels, `${path}.matchLabels`),
    ...(selector.matchExpressions ?? []).flatMap((requirement, i) =>
      validateRequirement(requirement, `${path}.matchExpressions[${i}]`),
    ),
  ];
}

function validateRequirement(requirement: LabelSelectorRequirement, path: string): readonly FieldError[] {
  const { key, values = [] } = requirement;
  const operator = operatorOf(requirement);
  const errors: FieldError[] = [];
  if (operator === undefined)
    errors.push(invalid(`${path}.operator`, requirement.operator, 'not a valid selector operator'));
  else if (operator.needsValues && values.length === 0)
    errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
  else if (!operator.needsValues && values.length > 0)
    errors.push(
      forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
    );
  return [
    ...errors,
    ...qualifiedNameErrors(key).map(detail => invalid(`${path}.key`, key, detail)),
    ...values.flatMap((value, i) =>
      labelValueErrors(value).map(detail => invalid(`${path}.values[${i}]`, value, detail)),
    ),
  ];
}
