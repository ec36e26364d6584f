import type { Container, Pod, SeccompProfile } from '../kube/types.generated.ts';
import { CAPABILITIES, type CapabilityName } from '../linux/capabilities.ts';
import { MASKED_PATHS, READONLY_PATHS, thermalThrottlePath } from '../linux/protected-paths.ts';
import { determineCapabilities } from './capabilities.ts';
import {
  determineIdentity,
  type Identity,
  type IdentityError,
  type ImageIdentity,
  type Origin,
  originOf,
} from './identity.ts';
import type { SecurityFacts } from './security-facts.ts';

/** Whose a namespace is: the host's, the pod's (its containers share it), or the container's own. */
export type NamespaceOwner = 'host' | 'pod' | 'container';

export interface EffectiveNamespaces {
  readonly user: NamespaceOwner;
  readonly mount: NamespaceOwner;
  readonly uts: NamespaceOwner;
  readonly ipc: NamespaceOwner;
  readonly network: NamespaceOwner;
  readonly pid: NamespaceOwner;
  readonly cgroup: NamespaceOwner;
  readonly time: NamespaceOwner;
}

/** The profile in effect, in the words of a pod's own field. */
export type EffectiveSeccompProfile =
  | { readonly type: 'Unconfined' | 'RuntimeDefault' }
  | { readonly type: 'Localhost'; readonly localhostProfile: string };

/**
 * All that a container's settings come to, with nothing left open: the kubelet's merge of pod, container and image, and
 * the runtime's defaults. (Its namesake is in the kubelet, pkg/securitycontext.)
 */
export interface EffectiveSecurityContext {
  readonly namespaces: EffectiveNamespaces;
  readonly identity: Identity;
  readonly privileged: boolean;
  /** Bounding, effective and permitted; ambient and inheritable are always empty. */
  readonly capabilities: readonly CapabilityName[];
  readonly noNewPrivileges: boolean;
  readonly readOnlyRootFilesystem: boolean;
  readonly procMount: 'Default' | 'Unmasked';
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccompProfile: EffectiveSeccompProfile;
  readonly origins: {
    readonly capabilities: Origin;
    readonly privileged: Origin;
    readonly noNewPrivileges: Origin;
    readonly readOnlyRootFilesystem: Origin;
    readonly procMount: Origin;
    readonly seccompProfile: Origin;
    readonly supplementalGroups: Origin;
  };
  readonly warnings: readonly string[];
}

/** What a kubelet is configured with. */
export interface SecuritySettings {
  /** RuntimeDefault for pods that say nothing. */
  readonly seccompDefault?: boolean;
}

/** Merges one container's settings. A container that the kubelet would refuse to create is an {@link IdentityError}. */
export function determineEffectiveSecurityContext(
  pod: Pod,
  container: Container,
  image: ImageIdentity,
  host: SecurityFacts,
  settings: SecuritySettings = {},
): EffectiveSecurityContext | IdentityError {
  const identity = determineIdentity(pod, container, image);
  if ('error' in identity) return identity;
  const context = container.securityContext ?? {};
  const podContext = pod.spec?.securityContext ?? {};
  const privileged = context.privileged === true;
  // Who enters a user namespace gets every capability over it, whatever the runtime has outside.
  const available = pod.spec?.hostUsers === false ? CAPABILITIES : host.capabilities;
  const capabilities = privileged
    ? { capabilities: CAPABILITIES.filter(name => available.includes(name)), warnings: [] }
    : determineCapabilities(
        { add: context.capabilities?.add ?? [], drop: context.capabilities?.drop ?? [] },
        available,
      );
  const seccomp = determineSeccomp(pod, container, privileged, settings);
  const isMasked = !privileged && context.procMount !== 'Unmasked';
  return {
    namespaces: determineNamespaces(pod, privileged),
    identity,
    privileged,
    capabilities: capabilities.capabilities,
    noNewPrivileges: context.allowPrivilegeEscalation === false,
    readOnlyRootFilesystem: context.readOnlyRootFilesystem === true,
    procMount: context.procMount === 'Unmasked' ? 'Unmasked' : 'Default',
    maskedPaths: isMasked
      ? [...Object.keys(MASKED_PATHS), ...host.thermalThrottleCpus.map(thermalThrottlePath)]
      : [],
    readonlyPaths: isMasked ? READONLY_PATHS : [],
    seccompProfile: seccomp.profile,
    origins: {
      capabilities: context.capabilities === undefined ? 'default' : 'container',
      privileged: originOf(context.privileged, undefined) ?? 'default',
      noNewPrivileges: originOf(context.allowPrivilegeEscalation, undefined) ?? 'default',
      readOnlyRootFilesystem: originOf(context.readOnlyRootFilesystem, undefined) ?? 'default',
      procMount: originOf(context.procMount, undefined) ?? 'default',
      seccompProfile: seccomp.origin,
      supplementalGroups: originOf(undefined, podContext.supplementalGroups) ?? 'default',
    },
    warnings: [...capabilities.warnings, ...seccomp.warnings, ...surprises(container, identity, privileged)],
  };
}

/**
 * The container's own profile, else the pod's, else the setting's; the whole object, field by field makes no sense. A
 * privileged container has none whatever is set, as with containerd, and where somebody asked for one that is said.
 */
function determineSeccomp(
  pod: Pod,
  container: Container,
  privileged: boolean,
  { seccompDefault = false }: SecuritySettings,
): {
  readonly profile: EffectiveSeccompProfile;
  readonly origin: Origin;
  readonly warnings: readonly string[];
} {
  const own = container.securityContext?.seccompProfile;
  const asked = own ?? pod.spec?.securityContext?.seccompProfile;
  const origin = originOf(own, asked) ?? (seccompDefault ? 'setting' : 'default');
  if (privileged) {
    const isLost = asked !== undefined && asked.type !== 'Unconfined';
    return {
      profile: { type: 'Unconfined' },
      origin: 'container',
      warnings: isLost
        ? [`privileged has no seccomp filter: seccompProfile (${asked.type}) of the ${origin} is ignored`]
        : [],
    };
  }
  if (asked === undefined)
    return {
      profile: { type: seccompDefault ? 'RuntimeDefault' : 'Unconfined' },
      origin,
      warnings: [],
    };
  return { profile: effectiveProfile(asked), origin, warnings: [] };
}

function effectiveProfile({ type, localhostProfile = '' }: SeccompProfile): EffectiveSeccompProfile {
  if (type === 'Localhost') return { type, localhostProfile };
  return { type: type === 'RuntimeDefault' ? 'RuntimeDefault' : 'Unconfined' };
}

/** containerd's table: hostNetwork also takes the host's UTS namespace; hostPID is asked before shareProcessNamespace. */
function determineNamespaces(pod: Pod, privileged: boolean): EffectiveNamespaces {
  const spec = pod.spec ?? { containers: [] };
  const network = spec.hostNetwork === true ? 'host' : 'pod';
  return {
    user: spec.hostUsers === false ? 'pod' : 'host',
    mount: 'container',
    uts: network,
    ipc: spec.hostIPC === true ? 'host' : 'pod',
    network,
    pid: spec.hostPID === true ? 'host' : spec.shareProcessNamespace === true ? 'pod' : 'container',
    // In a user namespace the host's cgroups cannot even be shown: there it is the container's own, whoever asks.
    cgroup: privileged && spec.hostUsers !== false ? 'host' : 'container',
    time: 'host',
  };
}

/** Settings that do not do what people think. */
function surprises(container: Container, identity: Identity, privileged: boolean): string[] {
  const { add = [], drop = [] } = container.securityContext?.capabilities ?? {};
  const warnings: string[] = [];
  if (privileged && (add.length > 0 || drop.length > 0))
    warnings.push('privileged gives all capabilities: capabilities.add and capabilities.drop are ignored');
  if (!privileged && add.length > 0 && identity.uid !== 0) {
    warnings.push(
      `capabilities.add (${add.join(', ')}) does not reach a process of user ${identity.uid}: execve clears the permitted set of a non-root user; only files with file capabilities can use it`,
    );
  }
  if (privileged && identity.uid !== 0)
    warnings.push(
      `privileged with user ${identity.uid}: the process itself has no capability, only a wider bounding set`,
    );
  return warnings;
}
