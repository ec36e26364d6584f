import { invalid } from '../../kube/field-error.ts';
import type { RuntimeClassStrategyOptions } from '../../kube/types.generated.ts';
import { policyError } from './policy-error.ts';
import type { PodRule } from './rule.ts';

export const ANY_RUNTIME_CLASS = '*';

/** A policy without runtimeClass allows any; one with it only those it names, and always a pod that names none. */
export function createRuntimeClassRule(options: RuntimeClassStrategyOptions | undefined): PodRule {
  if (options === undefined) return { validate: () => [] };
  const { allowedRuntimeClassNames: allowed = [], defaultRuntimeClassName } = options;
  return {
    mutate: pod => {
      if (defaultRuntimeClassName === undefined || pod.spec?.runtimeClassName !== undefined) return pod;
      const spec = pod.spec ?? { containers: [] };
      return { ...pod, spec: { ...spec, runtimeClassName: defaultRuntimeClassName } };
    },
    validate: pod => {
      const name = pod.spec?.runtimeClassName;
      if (name === undefined || allowed.includes(ANY_RUNTIME_CLASS) || allowed.includes(name)) return [];
      return [policyError(invalid('spec.runtimeClassName', name, ''))];
    },
  };
}
