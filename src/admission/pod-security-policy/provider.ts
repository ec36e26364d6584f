import type { Pod, SecurityContext } from '../../kube/types.generated.ts';
import { createAppArmorRules } from './app-armor.ts';
import { createCapabilitiesRule } from './capabilities.ts';
import {
  createAllowPrivilegeEscalationRule,
  createPrivilegedRule,
  createProcMountRule,
  createReadOnlyRootFilesystemRule,
} from './container-settings.ts';
import { createFSGroupRule, createRunAsGroupRule, createSupplementalGroupsRule } from './groups.ts';
import { createHostNamespacesRule, createHostPortsRule } from './host.ts';
import type { DefaultedPolicy } from './policy.ts';
import type { PolicyError } from './policy-error.ts';
import {
  addToContainers,
  type ContainerContext,
  type ContainerRule,
  containersOf,
  type PodRule,
  type Unusable,
} from './rule.ts';
import { createRuntimeClassRule } from './runtime-class.ts';
import { createSELinuxRules } from './se-linux.ts';
import { createSeccompRules } from './seccomp.ts';
import { createSysctlsRule } from './sysctls.ts';
import { createUserRule } from './user.ts';
import { createVolumesRule } from './volumes.ts';

/** A policy that can be applied to pods. */
export interface Provider {
  readonly name: string;
  /**
   * Sets what the policy has a value for and the pod leaves open. Pods are defaulted ones (kube/defaults.ts). A new
   * pod, or the very same one if nothing is to be set; what it gives, it gives back unchanged.
   */
  mutate(pod: Pod): Pod;
  /** What the policy refuses, in the order of the API server's messages. */
  validate(pod: Pod): readonly PolicyError[];
}

/** podsecuritypolicy/provider.go and factory.go. A policy that lacks what its own rules need cannot be used. */
export function createProvider({ metadata, spec }: DefaultedPolicy): Provider | Unusable {
  const user = createUserRule(spec.runAsUser);
  const group = createRunAsGroupRule(spec.runAsGroup);
  const seLinux = createSELinuxRules(spec.seLinux);
  const fsGroup = createFSGroupRule(spec.fsGroup);
  const supplementalGroups = createSupplementalGroupsRule(spec.supplementalGroups);
  if (
    'error' in user ||
    'error' in group ||
    'error' in seLinux ||
    'error' in fsGroup ||
    'error' in supplementalGroups
  ) {
    const parts = [user, group, seLinux, fsGroup, supplementalGroups];
    return { error: aggregate(parts.flatMap(part => ('error' in part ? [part.error] : []))) };
  }
  const seccomp = createSeccompRules(metadata.annotations);
  const appArmor = createAppArmorRules(metadata.annotations);
  return compose(
    metadata.name,
    [
      fsGroup,
      supplementalGroups,
      seccomp.pod,
      seLinux.pod,
      appArmor.pod,
      createHostNamespacesRule(spec),
      createSysctlsRule(spec),
      createVolumesRule(spec),
      createRuntimeClassRule(spec.runtimeClass),
    ],
    [
      user,
      group,
      seLinux.container,
      appArmor.container,
      seccomp.container,
      createPrivilegedRule(spec.privileged),
      createProcMountRule(spec.allowedProcMountTypes),
      createCapabilitiesRule(spec),
      createHostPortsRule(spec.hostPorts),
      createReadOnlyRootFilesystemRule(spec.readOnlyRootFilesystem),
      createAllowPrivilegeEscalationRule(spec.allowPrivilegeEscalation, spec.defaultAllowPrivilegeEscalation),
    ],
  );
}

function compose(
  name: string,
  podRules: readonly PodRule[],
  containerRules: readonly ContainerRule[],
): Provider {
  const additions = (context: ContainerContext): SecurityContext =>
    Object.assign({}, ...containerRules.map(rule => rule.mutate?.(context) ?? {}));
  return {
    name,
    // What containers inherit is set first.
    mutate: pod =>
      addToContainers(
        podRules.reduce((mutated, rule) => rule.mutate?.(mutated) ?? mutated, pod),
        additions,
      ),
    validate: pod => [
      ...podRules.flatMap(rule => rule.validate(pod)),
      ...containersOf(pod).flatMap(context => containerRules.flatMap(rule => rule.validate(context))),
    ],
  };
}

/** As apimachinery joins errors: one alone stands without brackets, none stands twice. */
function aggregate(errors: readonly string[]): string {
  const unique = [...new Set(errors)];
  return errors.length === 1 ? (errors[0] ?? '') : `[${unique.join(', ')}]`;
}
