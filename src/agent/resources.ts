import { RESOURCES, type ResourceType } from '../admission/rbac/resources.ts';

/** What can be asked of a type of objects. */
export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

/** A type of objects that the agent serves. */
export interface ServedType extends ResourceType {
  readonly verbs: readonly Verb[];
  readonly categories: readonly string[];
  /** Below an object: `pods/NAME/log`. */
  readonly subresources: readonly Subresource[];
}

export interface Subresource {
  readonly name: string;
  /** The kind of what is sent and answered, where it is not the object's own. */
  readonly kind?: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly Verb[];
}

const ALL: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];
const READ: readonly Verb[] = ['get', 'list', 'watch'];
const STATUS: Subresource = { name: 'status', verbs: ['get', 'patch', 'update'] };

type Row = readonly [
  kind: string,
  apiVersion: string,
  settings?: Partial<Pick<ServedType, 'verbs' | 'categories' | 'subresources'>>,
];

const ROWS: readonly Row[] = [
  [
    'Pod',
    'v1',
    {
      categories: ['all'],
      subresources: [
        { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
        { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
        { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
        { name: 'log', verbs: ['get'] },
        { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
        STATUS,
      ],
    },
  ],
  ['Namespace', 'v1', { subresources: [STATUS] }],
  ['ConfigMap', 'v1'],
  ['Secret', 'v1'],
  ['ServiceAccount', 'v1'],
  ['PersistentVolumeClaim', 'v1', { subresources: [STATUS] }],
  ['Service', 'v1', { categories: ['all'], subresources: [STATUS] }],
  ['Endpoints', 'v1', { verbs: READ }],
  ['Event', 'v1', { verbs: READ }],
  ['Node', 'v1', { verbs: READ }],
  ['EndpointSlice', 'discovery.k8s.io/v1', { verbs: READ }],
  ['Event', 'events.k8s.io/v1', { verbs: READ }],
  ['NetworkPolicy', 'networking.k8s.io/v1'],
  ['PodSecurityPolicy', 'policy/v1beta1'],
  ['ClusterRoleBinding', 'rbac.authorization.k8s.io/v1'],
  ['ClusterRole', 'rbac.authorization.k8s.io/v1'],
  ['RoleBinding', 'rbac.authorization.k8s.io/v1'],
  ['Role', 'rbac.authorization.k8s.io/v1'],
];

/** Every type that the agent serves, by group in the order of discovery. */
export const SERVED: readonly ServedType[] = ROWS.map(([kind, apiVersion, settings = {}]) => {
  const [version = '', group = ''] = apiVersion.split('/').toReversed();
  const known = RESOURCES.find(type => type.kind === kind && (type.group === group || kind === 'Event'));
  if (known === undefined) throw new Error(`bug in podspace: no resource type ${apiVersion}/${kind}`);
  return { ...known, group, version, verbs: ALL, categories: [], subresources: [], ...settings };
});

/** Kinds whose objects are kept in files. */
export const STORED: readonly ServedType[] = SERVED.filter(({ verbs }) => verbs.includes('create'));

/** The type of a kind; of an Event that of the core group. */
export function servedKind(kind: string): ServedType {
  const type = SERVED.find(each => each.kind === kind);
  if (type === undefined) throw new Error(`bug in podspace: ${kind} is not served`);
  return type;
}
