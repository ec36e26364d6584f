import type { PodOrTemplate, Violation } from './evaluate.ts';

interface Place {
  /** Below a container that the detail names. */
  readonly container?: string;
  /** Of the pod, where the detail is about it, or about no container. */
  readonly pod?: readonly string[];
  /** The volumes that the detail names. */
  readonly isVolume?: true;
  /** Annotations say it too: the detail has their keys. */
  readonly isAnnotated?: true;
}

const setting = (field: string): Place => ({
  container: `securityContext.${field}`,
  pod: [`spec.securityContext.${field}`],
});

/** Which fields each check looks at. */
const PLACES: Readonly<Record<string, Place>> = {
  allowPrivilegeEscalation: setting('allowPrivilegeEscalation'),
  appArmorProfile: { ...setting('appArmorProfile'), isAnnotated: true },
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
  seccompProfile_baseline: { ...setting('seccompProfile'), isAnnotated: true },
  seccompProfile_restricted: setting('seccompProfile'),
  sysctls: { pod: ['spec.securityContext.sysctls'] },
  windowsHostProcess: setting('windowsOptions'),
};

/**
 * The fields of a manifest that a violation is about: what is named in its detail. Where something should be set that is
 * not, whoever follows the path finds the nearest thing above it.
 */
export function placesOf({ id, detail }: Violation, { metadata, spec }: PodOrTemplate): readonly string[] {
  const { container, pod = [], isVolume, isAnnotated } = PLACES[id] ?? {};
  const named = namesIn(detail);
  const among = (list: readonly { readonly name: string }[] | undefined, path: string): readonly string[] =>
    (list ?? []).flatMap(({ name }, i) => (named.has(name) ? [`${path}[${i}]`] : []));
  if (isVolume) return among(spec?.volumes, 'spec.volumes');
  const containers = [
    ...among(spec?.initContainers, 'spec.initContainers'),
    ...among(spec?.containers, 'spec.containers'),
  ];
  const keys = isAnnotated ? Object.keys(metadata?.annotations ?? {}) : [];
  const below = [
    ...(container === undefined
      ? []
      : containers.map(path => (container === '' ? path : `${path}.${container}`))),
    ...keys.filter(key => detail.includes(`${key}=`)).map(key => `metadata.annotations[${key}]`),
  ];
  const isAboutPod = below.length === 0 || /^pod (and|must|set)/.test(detail);
  // Of several only those that are set: nobody is to look at a line that is right.
  const set = pod.length > 1 ? pod.filter(path => detail.includes(path.replace('spec.', ''))) : pod;
  return [...(isAboutPod ? set : []), ...below];
}

/** Of containers and volumes: `containers "a", "b"`. What else is quoted may be called the same. */
function namesIn(detail: string): ReadonlySet<string> {
  const lists = detail.matchAll(/\b(?:container|volume)s? ((?:"[^"]*"(?:, )?)+)/g);
  return new Set(
    [...lists].flatMap(([, list = '']) => [...list.matchAll(/"([^"]*)"/g)].map(([, name = '']) => name)),
  );
}
