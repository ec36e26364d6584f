import type { PodOrTemplate, Violation } from './evaluate.ts';

interface Place {
  /** Below a container that the detail names. */
  readonly container?: string;
  /** Of the pod, where the detail is about it, or about no container. */
  readonly pod?: readonly string[];
  /** The volumes that the detail names. */
  readonly isVolume?: true;
}

const setting = (field: string): Place => ({
  container: `securityContext.${field}`,
  pod: [`spec.securityContext.${field}`],
});

/** Which fields each check looks at. */
const PLACES: Readonly<Record<string, Place>> = {
  allowPrivilegeEscalation: setting('allowPrivilegeEscalation'),
  appArmorProfile: setting('appArmorProfile'),
  capabilities_baseline: setting('capabilities'),
  capabilities_restricted: setting('capabilities'),
  hostNamespaces: { pod: ['spec.hostNetwork', 'spec.hostPID', 'spec.hostIPC'] },
  hostPathVolumes: { isVolume: true },
  hostPorts: { container: 'ports' },
  hostProbesAndHostLifecycle: { container: '' },
  privileged: setting('privileged'),
  procMount: setting('procMount'),
  procMount_restricted: setting('procMount'),
  restrictedVolumes: { isVolume: true },
  runAsNonRoot: setting('runAsNonRoot'),
  runAsUser: setting('runAsUser'),
  seLinuxOptions: setting('seLinuxOptions'),
  seccompProfile_baseline: setting('seccompProfile'),
  seccompProfile_restricted: setting('seccompProfile'),
  sysctls: { pod: ['spec.securityContext.sysctls'] },
  windowsHostProcess: setting('windowsOptions'),
};

/**
 * The fields of a manifest that a violation is about: what is named in its detail. Where something should be set that is
 * not, whoever follows the path finds the nearest thing above it.
 */
export function placesOf({ id, detail }: Violation, { spec }: PodOrTemplate): readonly string[] {
  const { container, pod = [], isVolume } = PLACES[id] ?? {};
  const quoted = new Set([...detail.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, name = '']) => name));
  const among = (list: readonly { readonly name: string }[] | undefined, path: string): readonly string[] =>
    (list ?? []).flatMap(({ name }, i) => (quoted.has(name) ? [`${path}[${i}]`] : []));
  if (isVolume) return among(spec?.volumes, 'spec.volumes');
  const containers = [
    ...among(spec?.initContainers, 'spec.initContainers'),
    ...among(spec?.containers, 'spec.containers'),
  ];
  const below =
    container === undefined ? [] : containers.map(path => (container === '' ? path : `${path}.${container}`));
  const isAboutPod = below.length === 0 || /^pod (and|must|set)/.test(detail);
  // Of several only those that are set: nobody is to look at a line that is right.
  const set = pod.length > 1 ? pod.filter(path => detail.includes(path.replace('spec.', ''))) : pod;
  return [...(isAboutPod ? set : []), ...below];
}
