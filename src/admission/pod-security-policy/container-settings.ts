import { invalid } from '../../kube/field-error.ts';
import { policyError } from './policy-error.ts';
import type { ContainerRule } from './rule.ts';

export function createPrivilegedRule(isAllowed: boolean): ContainerRule {
  return {
    validate: ({ container, path }) =>
      container.securityContext?.privileged === true && !isAllowed
        ? [
            policyError(
              invalid(`${path}.securityContext.privileged`, true, 'Privileged containers are not allowed'),
            ),
          ]
        : [],
  };
}

const DEFAULT_PROC_MOUNT = 'Default';

/** A container that says nothing has the default, which a policy can refuse like any other. */
export function createProcMountRule(types: readonly string[]): ContainerRule {
  const allowed = types.length === 0 ? [DEFAULT_PROC_MOUNT] : types;
  return {
    validate: ({ container, path }) => {
      const { procMount = DEFAULT_PROC_MOUNT } = container.securityContext ?? {};
      if (allowed.includes(procMount)) return [];
      return [
        policyError(invalid(`${path}.securityContext.procMount`, procMount, 'ProcMountType is not allowed')),
      ];
    },
  };
}

export function createReadOnlyRootFilesystemRule(isRequired: boolean): ContainerRule {
  if (!isRequired) return { validate: () => [] };
  return {
    mutate: ({ container }) =>
      container.securityContext?.readOnlyRootFilesystem === undefined ? { readOnlyRootFilesystem: true } : {},
    validate: ({ container, path }) => {
      const value = container.securityContext?.readOnlyRootFilesystem;
      if (value === true) return [];
      const detail = `ReadOnlyRootFilesystem ${value === undefined ? 'may not be nil and ' : ''}must be set to true`;
      return [policyError(invalid(`${path}.securityContext.readOnlyRootFilesystem`, value, detail))];
    },
  };
}

/** The policy's default, else false where it must not be true. */
export function createAllowPrivilegeEscalationRule(
  isAllowed: boolean,
  byDefault: boolean | undefined,
): ContainerRule {
  const added = byDefault ?? (isAllowed ? undefined : false);
  return {
    mutate: ({ container }) =>
      added === undefined || container.securityContext?.allowPrivilegeEscalation !== undefined
        ? {}
        : { allowPrivilegeEscalation: added },
    validate: ({ container, path }) => {
      const value = container.securityContext?.allowPrivilegeEscalation;
      if (isAllowed || value === false) return [];
      const detail = 'Allowing privilege escalation for containers is not allowed';
      return [policyError(invalid(`${path}.securityContext.allowPrivilegeEscalation`, value, detail))];
    },
  };
}
