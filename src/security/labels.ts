import { APPARMOR_ANNOTATION } from '../kube/annotations.ts';
import type { AppArmorProfile, Container, Pod } from '../kube/types.generated.ts';

/** What the security modules of the machine are told about a container. Without a module there is nothing to tell. */
export interface SecurityLabels {
  /** The name of a loaded AppArmor profile. */
  readonly appArmorProfile: string | undefined;
  readonly seLinux: { readonly process: string; readonly mount: string } | undefined;
  readonly warnings: readonly string[];
}

/** Which security modules confine processes here. */
export interface ModuleFacts {
  readonly appArmor: boolean;
  readonly seLinux: boolean;
  /** Names of the AppArmor profiles that are loaded. */
  readonly appArmorProfiles: readonly string[];
}

/** What containerd loads for RuntimeDefault, contrib/apparmor. */
const DEFAULT_PROFILE = 'cri-containerd.apparmor.d';

/** apparmor.GetProfile: the container's field, its annotation, the pod's field; undefined if nobody says anything. */
export function askedAppArmor(pod: Pod, container: Container): AppArmorProfile | undefined {
  const annotation = pod.metadata?.annotations?.[`${APPARMOR_ANNOTATION}${container.name}`];
  return (
    container.securityContext?.appArmorProfile ??
    (annotation === undefined ? undefined : ofAnnotation(annotation)) ??
    pod.spec?.securityContext?.appArmorProfile
  );
}

function ofAnnotation(text: string): AppArmorProfile {
  if (text.startsWith('localhost/'))
    return { type: 'Localhost', localhostProfile: text.slice('localhost/'.length) };
  return { type: text === 'unconfined' ? 'Unconfined' : 'RuntimeDefault' };
}

/** Why a kubelet would not run the pod: it asks for what this machine cannot enforce. */
export function unenforceableAppArmor(
  { metadata, spec }: Pod,
  { appArmor }: ModuleFacts,
): string | undefined {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const isAsked = containers.some(container => {
    const type = askedAppArmor({ ...(metadata && { metadata }), ...(spec && { spec }) }, container)?.type;
    return type !== undefined && type !== 'Unconfined';
  });
  return isAsked && !appArmor ? 'Cannot enforce AppArmor: AppArmor is not enabled on the host' : undefined;
}

/** The labels of one container. A profile that is not loaded is an error, as with containerd. */
export function determineLabels(
  pod: Pod,
  container: Container,
  modules: ModuleFacts,
): SecurityLabels | { readonly error: string } {
  const name = modules.appArmor ? appArmorName(askedAppArmor(pod, container), container) : undefined;
  if (name !== undefined && !modules.appArmorProfiles.includes(name))
    return { error: `apparmor profile not found ${name}` };
  const options = container.securityContext?.seLinuxOptions ?? pod.spec?.securityContext?.seLinuxOptions;
  if (options === undefined) return { appArmorProfile: name, seLinux: undefined, warnings: [] };
  if (!modules.seLinux) {
    const warnings = ['seLinuxOptions has no effect: SELinux is off on this machine'];
    return { appArmorProfile: name, seLinux: undefined, warnings };
  }
  // The type of what is confined and of its files: container-selinux.
  const { user = 'system_u', role = 'system_r', type = 'container_t', level = 's0' } = options;
  const seLinux = {
    process: `${user}:${role}:${type}:${level}`,
    mount: `${user}:object_r:container_file_t:${level}`,
  };
  return { appArmorProfile: name, seLinux, warnings: [] };
}

/** Privileged containers are confined only by a profile that was named. */
function appArmorName(
  asked: AppArmorProfile | undefined,
  { securityContext }: Container,
): string | undefined {
  if (asked?.type === 'Localhost') return asked.localhostProfile;
  if (asked?.type !== 'RuntimeDefault' || securityContext?.privileged === true) return undefined;
  return DEFAULT_PROFILE;
}
