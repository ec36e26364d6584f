/** A type of objects, as the API server's discovery tells kubectl about it. */
export interface ResourceType {
  /** `''` is the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** The plural, which stands in URLs and rules. */
  readonly resource: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
}

type Row = readonly [kind: string, resource: string, ...shortNames: string[]];

const rows =
  (namespaced: boolean) =>
  (apiVersion: string, ...table: readonly Row[]): readonly ResourceType[] => {
    const [version = '', group = ''] = apiVersion.split('/').toReversed();
    return table.map(([kind, resource, ...shortNames]) => ({
      group,
      version,
      kind,
      resource,
      shortNames,
      namespaced,
    }));
  };
const namespaced = rows(true);
const clusterWide = rows(false);

/**
 * What rules can be about: every kind that podspace decodes, and the others of a cluster that people write roles for. Of
 * two resources with one name that of the earlier group is meant, as in a cluster, where the core group is first.
 */
export const RESOURCES: readonly ResourceType[] = [
  ...namespaced(
    'v1',
    ['Pod', 'pods', 'po'],
    ['ConfigMap', 'configmaps', 'cm'],
    ['Secret', 'secrets'],
    ['ServiceAccount', 'serviceaccounts', 'sa'],
    ['Service', 'services', 'svc'],
    ['Endpoints', 'endpoints', 'ep'],
    ['Event', 'events', 'ev'],
    ['LimitRange', 'limitranges', 'limits'],
    ['PersistentVolumeClaim', 'persistentvolumeclaims', 'pvc'],
    ['PodTemplate', 'podtemplates'],
    ['ReplicationController', 'replicationcontrollers', 'rc'],
    ['ResourceQuota', 'resourcequotas', 'quota'],
  ),
  ...clusterWide(
    'v1',
    ['Namespace', 'namespaces', 'ns'],
    ['Node', 'nodes', 'no'],
    ['PersistentVolume', 'persistentvolumes', 'pv'],
  ),
  ...namespaced(
    'apps/v1',
    ['DaemonSet', 'daemonsets', 'ds'],
    ['Deployment', 'deployments', 'deploy'],
    ['ReplicaSet', 'replicasets', 'rs'],
    ['StatefulSet', 'statefulsets', 'sts'],
  ),
  ...namespaced('autoscaling/v2', ['HorizontalPodAutoscaler', 'horizontalpodautoscalers', 'hpa']),
  ...namespaced('batch/v1', ['CronJob', 'cronjobs', 'cj'], ['Job', 'jobs']),
  ...clusterWide('certificates.k8s.io/v1', [
    'CertificateSigningRequest',
    'certificatesigningrequests',
    'csr',
  ]),
  ...namespaced('coordination.k8s.io/v1', ['Lease', 'leases']),
  ...namespaced('discovery.k8s.io/v1', ['EndpointSlice', 'endpointslices']),
  ...namespaced(
    'networking.k8s.io/v1',
    ['Ingress', 'ingresses', 'ing'],
    ['NetworkPolicy', 'networkpolicies', 'netpol'],
  ),
  ...clusterWide('networking.k8s.io/v1', ['IngressClass', 'ingressclasses']),
  ...namespaced('policy/v1', ['PodDisruptionBudget', 'poddisruptionbudgets', 'pdb']),
  ...clusterWide('policy/v1beta1', ['PodSecurityPolicy', 'podsecuritypolicies', 'psp']),
  ...namespaced('rbac.authorization.k8s.io/v1', ['RoleBinding', 'rolebindings'], ['Role', 'roles']),
  ...clusterWide(
    'rbac.authorization.k8s.io/v1',
    ['ClusterRoleBinding', 'clusterrolebindings'],
    ['ClusterRole', 'clusterroles'],
  ),
  ...clusterWide('node.k8s.io/v1', ['RuntimeClass', 'runtimeclasses']),
  ...clusterWide('scheduling.k8s.io/v1', ['PriorityClass', 'priorityclasses', 'pc']),
  ...clusterWide('storage.k8s.io/v1', ['StorageClass', 'storageclasses', 'sc']),
  ...clusterWide('apiextensions.k8s.io/v1', [
    'CustomResourceDefinition',
    'customresourcedefinitions',
    'crd',
    'crds',
  ]),
  ...clusterWide('extensions/v1beta1', ['PodSecurityPolicy', 'podsecuritypolicies', 'psp']),
];

/** A resource as a user writes it: in parts, each but the first perhaps empty. */
export interface ResourceArgument {
  readonly resource: string;
  readonly group?: string;
  readonly version?: string;
}

/**
 * The type that is meant by a plural, a singular or a short name; a group may be cut short (`storageclass.storage`).
 * Short names are lower case, other names need not be (client-go's shortcut expander before its REST mapper).
 */
export function resourceFor({
  resource,
  group = '',
  version = '',
}: ResourceArgument): ResourceType | undefined {
  const name = resource.toLowerCase();
  const candidates = RESOURCES.filter(
    type => hasName(type, name) || type.shortNames.includes(resource),
  ).filter(type => version === '' || type.version === version);
  if (group === '') return candidates[0];
  return (
    candidates.find(type => type.group === group) ??
    // A version makes the name complete: then the group is, too.
    (version === '' ? candidates.find(type => type.group.startsWith(group)) : undefined)
  );
}

function hasName({ resource, kind }: ResourceType, name: string): boolean {
  return resource === name || kind.toLowerCase() === name;
}

/** kubectl's words for a resource that there is not. */
export function noResourceType({ resource, group = '' }: ResourceArgument): string {
  const type = `the server doesn't have a resource type ${JSON.stringify(resource)}`;
  return group === '' ? type : `${type} in group ${JSON.stringify(group)}`;
}

/** The text before and after the first separator; nothing after it when there is none. */
export function splitOnce(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
