import type { ObjectMeta, PodSecurityPolicy, PodSecurityPolicySpec } from '../../kube/types.generated.ts';
import type { PolicyError } from './policy-error.ts';
import { validatePolicyAnnotations } from './validate-annotations.ts';
import {
  validateAllowedCSIDrivers,
  validateAllowedFlexVolumes,
  validateAllowedHostPaths,
  validateCapabilities,
  validateDefaultAllowPrivilegeEscalation,
  validateProcMountTypes,
  validateRuntimeClass,
  validateVolumeTypes,
} from './validate-lists.ts';
import { validatePolicyMetadata } from './validate-metadata.ts';
import {
  validateGroups,
  validateRunAsGroup,
  validateRunAsUser,
  validateSELinux,
} from './validate-strategies.ts';
import { validateSysctlLists } from './validate-sysctls.ts';

/** What may stay open: without it a policy says nothing about its subject. */
type OpenField = 'defaultAllowPrivilegeEscalation' | 'runAsGroup' | 'runtimeClass';

export type DefaultedPolicySpec = Required<Omit<PodSecurityPolicySpec, OpenField>> &
  Pick<PodSecurityPolicySpec, OpenField>;

/** A PodSecurityPolicy with nothing left to ask for. */
export interface DefaultedPolicy {
  readonly metadata: ObjectMeta & {
    readonly name: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: DefaultedPolicySpec;
}

/**
 * The API server's defaulting (pkg/apis/policy/v1beta1/defaults.go), and what Go takes for not set: false, the empty
 * list, a strategy without a rule, which validation and createProvider refuse.
 */
export function setPolicyDefaults({ metadata, spec }: PodSecurityPolicy): DefaultedPolicy {
  const noRule = { rule: '' };
  return {
    metadata: { ...metadata, name: metadata?.name ?? '', annotations: metadata?.annotations ?? {} },
    spec: {
      // Policies are older than the field, and what they allowed then they allow still.
      allowPrivilegeEscalation: true,
      allowedCSIDrivers: [],
      allowedCapabilities: [],
      allowedFlexVolumes: [],
      allowedHostPaths: [],
      allowedProcMountTypes: [],
      allowedUnsafeSysctls: [],
      defaultAddCapabilities: [],
      forbiddenSysctls: [],
      fsGroup: noRule,
      hostIPC: false,
      hostNetwork: false,
      hostPID: false,
      hostPorts: [],
      privileged: false,
      readOnlyRootFilesystem: false,
      requiredDropCapabilities: [],
      runAsUser: noRule,
      seLinux: noRule,
      supplementalGroups: noRule,
      volumes: [],
      ...spec,
    },
  };
}

/** ValidatePodSecurityPolicy (pkg/apis/policy/validation): every error, in its words and order. */
export function validatePolicy({ metadata, spec }: DefaultedPolicy): readonly PolicyError[] {
  return [
    ...validatePolicyMetadata(metadata),
    ...validatePolicyAnnotations(metadata.annotations),
    ...validateRunAsUser(spec.runAsUser),
    ...validateRunAsGroup(spec.runAsGroup),
    ...validateSELinux(spec.seLinux),
    ...validateGroups('supplementalGroups', spec.supplementalGroups),
    ...validateGroups('fsGroup', spec.fsGroup),
    ...validateVolumeTypes(spec.volumes),
    ...validateCapabilities(spec),
    ...validateDefaultAllowPrivilegeEscalation(spec),
    ...validateProcMountTypes(spec.allowedProcMountTypes),
    ...validateAllowedHostPaths(spec.allowedHostPaths),
    ...validateAllowedFlexVolumes(spec.allowedFlexVolumes),
    ...validateAllowedCSIDrivers(spec.allowedCSIDrivers),
    ...validateSysctlLists(spec),
    ...validateRuntimeClass(spec.runtimeClass),
  ];
}
