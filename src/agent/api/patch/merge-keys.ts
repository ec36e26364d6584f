/** How a strategic merge patch takes a list (`patchStrategy` and `patchMergeKey` of the API's types); all others are replaced. */
export interface ListStrategy {
  /** Items that are objects are the same one if this field is; without it they are plain values of a set. */
  readonly mergeKey?: string;
  /** What of an item the patch does not list in $retainKeys goes: a volume has one source. */
  readonly retainKeys?: boolean;
}

const by = (mergeKey: string): ListStrategy => ({ mergeKey });

const CONTAINER: Readonly<Record<string, ListStrategy>> = {
  ports: by('containerPort'),
  env: by('name'),
  volumeMounts: by('mountPath'),
  volumeDevices: by('devicePath'),
};

/** By definition and field (k8s.io/api). */
export const LIST_STRATEGIES: Readonly<Record<string, Readonly<Record<string, ListStrategy>>>> = {
  ObjectMeta: { ownerReferences: by('uid'), finalizers: {} },
  PodSpec: {
    volumes: { mergeKey: 'name', retainKeys: true },
    initContainers: by('name'),
    containers: by('name'),
    ephemeralContainers: by('name'),
    imagePullSecrets: by('name'),
    hostAliases: by('ip'),
    topologySpreadConstraints: by('topologyKey'),
    schedulingGates: by('name'),
    resourceClaims: { mergeKey: 'name', retainKeys: true },
  },
  Container: CONTAINER,
  EphemeralContainer: CONTAINER,
  PodStatus: { conditions: by('type'), podIPs: by('ip'), hostIPs: by('ip') },
  ServiceSpec: { ports: by('port') },
  ServiceStatus: { conditions: by('type') },
  ServiceAccount: { secrets: by('name'), imagePullSecrets: by('name') },
  NamespaceStatus: { conditions: by('type') },
  PersistentVolumeClaimStatus: { conditions: by('type') },
};

export function listStrategy(definition: string | undefined, field: string): ListStrategy | undefined {
  const fields = definition === undefined ? undefined : LIST_STRATEGIES[definition];
  return fields !== undefined && Object.hasOwn(fields, field) ? fields[field] : undefined;
}
