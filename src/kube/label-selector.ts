import { type FieldError, forbidden, invalid, required } from './field-error.ts';
import { labelValueErrors, qualifiedNameErrors } from './qualified-names.ts';
import type { LabelSelector, LabelSelectorRequirement } from './types.generated.ts';
import { validateLabels } from './validate-metadata.ts';

type Labels = Readonly<Record<string, string>>;

interface Operator {
  readonly needsValues: boolean;
  /** `value` is undefined when the label is not there. */
  matches(value: string | undefined, values: readonly string[]): boolean;
}

const OPERATORS: Readonly<Record<string, Operator>> = {
  In: { needsValues: true, matches: (value, values) => value !== undefined && values.includes(value) },
  NotIn: { needsValues: true, matches: (value, values) => value === undefined || !values.includes(value) },
  Exists: { needsValues: false, matches: value => value !== undefined },
  DoesNotExist: { needsValues: false, matches: value => value === undefined },
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
