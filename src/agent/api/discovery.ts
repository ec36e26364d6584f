import type { ResourceType } from '../../admission/rbac/resources.ts';
import { SERVED, type ServedType } from '../resources.ts';
import { POSTED } from './posted.ts';
import { UNSERVED } from './unserved.ts';

interface Resource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: ServedType['subresources'];
}

const plain = { shortNames: [], categories: [], subresources: [] };
const unservedOf = (type: ResourceType): Resource => ({
  ...plain,
  ...type,
  verbs: [],
  shortNames: type.shortNames,
});

/** Everything that discovery tells of. Workloads have no verbs: they are there so that clients are told why they are not. */
const ALL: readonly Resource[] = [
  ...SERVED,
  ...POSTED.map(type => ({ ...plain, ...type, verbs: ['create'] })),
  ...UNSERVED.map(unservedOf),
];

const groupVersionOf = ({ group, version }: Pick<Resource, 'group' | 'version'>): string =>
  group === '' ? version : `${group}/${version}`;

/** Groups with their versions; the core group is first. */
const GROUPS: ReadonlyMap<string, readonly string[]> = (() => {
  const groups = new Map<string, string[]>();
  for (const { group, version } of ALL) {
    const versions = groups.get(group) ?? [];
    groups.set(group, versions);
    if (!versions.includes(version)) versions.push(version);
  }
  return groups;
})();

const resourcesOf = (group: string, version: string): readonly Resource[] =>
  ALL.filter(each => each.group === group && each.version === version);

/** `/api`. */
export function apiVersions(address: string): object {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
  };
}

/** `/apis`. */
export function apiGroupList(): object {
  const names = [...GROUPS.keys()].filter(group => group !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: names.map(name => groupOf(name)) };
}

function groupOf(name: string): object {
  const versions = (GROUPS.get(name) ?? []).map(version => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions, preferredVersion: versions[0] };
}

/** `/apis/GROUP`; undefined if there is none. */
export function apiGroup(name: string): object | undefined {
  return GROUPS.has(name) && name !== ''
    ? { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(name) }
    : undefined;
}

/** `/api/v1`, `/apis/GROUP/VERSION`; undefined if there is none. */
export function apiResourceList(group: string, version: string): object | undefined {
  const resources = resourcesOf(group, version);
  if (resources.length === 0) return undefined;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: groupVersionOf({ group, version }),
    resources: resources.flatMap(each => [
      {
        name: each.resource,
        singularName: each.kind.toLowerCase(),
        namespaced: each.namespaced,
        kind: each.kind,
        verbs: each.verbs,
        ...(each.shortNames.length === 0 ? {} : { shortNames: each.shortNames }),
        ...(each.categories.length === 0 ? {} : { categories: each.categories }),
      },
      ...each.subresources.map(sub => ({
        name: `${each.resource}/${sub.name}`,
        singularName: '',
        namespaced: each.namespaced,
        ...(sub.group === undefined ? {} : { group: sub.group, version: sub.version }),
        kind: sub.kind ?? each.kind,
        verbs: sub.verbs,
      })),
    ]),
  };
}

/** All groups of `/api` or `/apis` at once (apidiscovery.k8s.io/v2). */
export function aggregatedDiscovery(isCore: boolean): object {
  const names = [...GROUPS.keys()].filter(group => (group === '') === isCore);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: names.map(group => ({
      metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
      versions: (GROUPS.get(group) ?? []).map(version => ({
        version,
        resources: resourcesOf(group, version).map(aggregatedResource),
        freshness: 'Current',
      })),
    })),
  };
}

function aggregatedResource(each: Resource): object {
  const { group, version, kind } = each;
  return {
    resource: each.resource,
    responseKind: { group, version, kind },
    scope: each.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.toLowerCase(),
    verbs: each.verbs,
    ...(each.shortNames.length === 0 ? {} : { shortNames: each.shortNames }),
    ...(each.categories.length === 0 ? {} : { categories: each.categories }),
    ...(each.subresources.length === 0
      ? {}
      : {
          subresources: each.subresources.map(sub => ({
            subresource: sub.name,
            responseKind: {
              group: sub.group ?? group,
              version: sub.version ?? version,
              kind: sub.kind ?? kind,
            },
            verbs: sub.verbs,
          })),
        }),
  };
}

/** Every group with a version, for what is served of each. */
export const GROUP_VERSIONS: readonly { readonly group: string; readonly version: string }[] = [
  ...GROUPS,
].flatMap(([group, versions]) => versions.map(version => ({ group, version })));
