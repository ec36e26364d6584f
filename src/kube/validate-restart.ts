import { type FieldError, notSupported, required, tooMany } from './field-error.ts';
import type { Container, ContainerRestartRule } from './types.generated.ts';

const POLICIES = ['Always', 'Never', 'OnFailure'];
const ACTIONS = ['Restart', 'RestartAllContainers'];
const OPERATORS = ['In', 'NotIn'];
const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;

/** A container's own policy, and its rules (ContainerRestartRules): those need a policy for what none of them matches. */
export function validateRestartPolicy(
  { restartPolicy, restartPolicyRules: rules = [] }: Container,
  path: string,
): readonly FieldError[] {
  if (restartPolicy === undefined)
    return rules.length === 0
      ? []
      : [required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used')];
  const at = `${path}.restartPolicyRules`;
  return [
    ...oneOf(POLICIES, restartPolicy, `${path}.restartPolicy`),
    ...(rules.length > MAX_RULES ? [tooMany(at, rules.length, MAX_RULES)] : []),
    ...rules.flatMap((rule, i) => validateRestartRule(rule, `${at}[${i}]`)),
  ];
}

function validateRestartRule(
  { action, exitCodes }: ContainerRestartRule,
  path: string,
): readonly FieldError[] {
  const errors = [...oneOf(ACTIONS, action, `${path}.action`)];
  if (exitCodes === undefined) return [...errors, required(`${path}.exitCodes`, 'must be specified')];
  const count = exitCodes.values?.length ?? 0;
  return [
    ...errors,
    ...oneOf(OPERATORS, exitCodes.operator, `${path}.exitCodes.operator`),
    ...(count > MAX_EXIT_CODES ? [tooMany(`${path}.exitCodes.values`, count, MAX_EXIT_CODES)] : []),
  ];
}

function oneOf(words: readonly string[], value: string | undefined, path: string): readonly FieldError[] {
  return words.includes(value ?? '') ? [] : [notSupported(path, value ?? '', words)];
}
