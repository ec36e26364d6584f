import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Admission } from '../admission/accept.ts';
import {
  type AdmissionObjects,
  type AdmissionRequest,
  admitByNamespace,
  admitByPolicy,
} from '../admission/admission.ts';
import { type LevelVersion, parseLevel, parseVersion } from '../admission/pod-security/levels.ts';
import { setPolicyDefaults } from '../admission/pod-security-policy/policy.ts';
import { withBootstrap } from '../admission/rbac/bootstrap.ts';
import { type RbacKind, type RbacKinds, setRbacDefaults } from '../admission/rbac/objects.ts';
import { impersonate, type UserInfo } from '../admission/user.ts';
import { fileFailure, UserError } from '../base/errors.ts';
import { type LoadedObject, loadManifest } from '../kube/manifest.ts';
import type { ObjectMeta, PodSecurityPolicy } from '../kube/types.generated.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { generateName } from './generate-name.ts';
import { hasObjects, ObjectStore } from './object-store.ts';
import { readManifest } from './read-manifest.ts';
import { validateObjects } from './validate-objects.ts';

/** Kinds of objects that say what pods may be, and whether they have a namespace. */
export const ADMISSION_KINDS: Readonly<Record<string, { readonly isNamespaced: boolean }>> = {
  Namespace: { isNamespaced: false },
  PodSecurityPolicy: { isNamespaced: false },
  ClusterRole: { isNamespaced: false },
  ClusterRoleBinding: { isNamespaced: false },
  Role: { isNamespaced: true },
  RoleBinding: { isNamespaced: true },
};

/** Who asks, and where the rules are. */
export interface AdmissionOptions {
  readonly as?: string | undefined;
  readonly asGroups?: readonly string[];
  /** A file or a directory of manifests: objects there win over those of the store. */
  readonly policy?: string | undefined;
  /** `restricted` or `baseline:v1.30`, enforced in all namespaces. */
  readonly level?: string | undefined;
}

/** The user of `--as` and `--as-group`, or root. Throws a UserError. */
export function userOf({ as, asGroups = [] }: AdmissionOptions): UserInfo {
  const user = impersonate(as, asGroups);
  if ('error' in user) throw new UserError(user.error);
  return user;
}

/**
 * What decides about pods on this machine: objects of the store, of `--policy`, and of the pods' own manifest, each of which
 * takes the place of one of the same name before. Throws a UserError for an object that the API server would refuse.
 */
export function gatherAdmission(
  roots: Roots,
  manifest: readonly LoadedObject[],
  options: AdmissionOptions = {},
): AdmissionRequest {
  const level = options.level === undefined ? undefined : levelOf(options.level);
  const objects = [...storedObjects(roots), ...policyObjects(options.policy), ...manifest]
    .filter(({ kind }) => Object.hasOwn(ADMISSION_KINDS, kind))
    .map(withObjectName);
  validateObjects(objects);
  const latest = new Map(objects.map(object => [keyOf(object), object] as const));
  return {
    ...collectAdmission([...latest.values()]),
    user: userOf(options),
    ...(level === undefined ? {} : { level }),
  };
}

/** The two questions of the pipeline. */
export function admissionOf(request: AdmissionRequest): Admission {
  return {
    admitByPolicy: pod => admitByPolicy(pod, request),
    admitByNamespace: pod => admitByNamespace(pod, request),
  };
}

function storedObjects(roots: Roots): readonly LoadedObject[] {
  if (!hasObjects(roots)) return [];
  const store = new ObjectStore(roots);
  return Object.keys(ADMISSION_KINDS).flatMap(kind => store.list(kind));
}

/** What `--policy` names. */
export function policyObjects(path: string | undefined): readonly LoadedObject[] {
  if (path === undefined) return [];
  const files = policyFiles(path);
  if (files.length === 0) throw new UserError(`option --policy: there is no YAML or JSON file in "${path}"`);
  const { others, pods } = loadManifest(files.map(file => ({ file, text: readManifest(file) })));
  const [pod] = pods;
  if (pod !== undefined)
    throw new UserError(`option --policy: ${pod.source.file}: pods are not policies`, {
      hint: 'the pods to look at are the other argument',
    });
  return others;
}

function policyFiles(path: string): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { recursive: true, withFileTypes: true })
      .filter(entry => !entry.isDirectory() && /\.(ya?ml|json)$/.test(entry.name))
      .map(entry => join(entry.parentPath, entry.name))
      .sort();
  } catch (cause) {
    throw new UserError(`option --policy: cannot read "${path}": ${fileFailure(cause)}`, { cause });
  }
}

function levelOf(text: string): LevelVersion {
  const [name = '', version = 'latest', ...more] = text.split(':');
  const level = parseLevel(name);
  const parsed = more.length === 0 ? parseVersion(version) : undefined;
  if (level !== undefined && parsed !== undefined) return { level, version: parsed };
  throw new UserError(`option --level: "${text}" is not a level of the Pod Security Standards`, {
    hint: 'privileged, baseline or restricted; with a version: restricted:v1.30',
  });
}

const metadataOf = ({ object }: Pick<LoadedObject, 'object'>): ObjectMeta =>
  (object.metadata ?? {}) as ObjectMeta;

/** An object that leaves its name to the API server, with one. */
export function withObjectName(loaded: LoadedObject): LoadedObject {
  const { name = '', generateName: beginning = '' } = metadataOf(loaded);
  if (name !== '' || beginning === '') return loaded;
  const metadata = { ...metadataOf(loaded), name: generateName(beginning) };
  return { ...loaded, object: { ...loaded.object, metadata } };
}

/** Of namespaced kinds once per namespace. */
function keyOf(object: LoadedObject): string {
  const { namespace = 'default', name = '' } = metadataOf(object);
  return `${object.kind}/${ADMISSION_KINDS[object.kind]?.isNamespaced ? namespace : ''}/${name}`;
}

const rbacOf = <K extends RbacKind>(kind: K, object: LoadedObject['object']): RbacKinds[K] =>
  setRbacDefaults(object as unknown as RbacKinds[K], kind);

/** What decides, of valid objects: one of each name. */
export function collectAdmission(
  objects: readonly Pick<LoadedObject, 'kind' | 'object'>[],
): AdmissionObjects {
  const ofKind = (kind: string): typeof objects => objects.filter(each => each.kind === kind);
  const rbac = <K extends RbacKind>(kind: K): readonly RbacKinds[K][] =>
    ofKind(kind).map(({ object }) => rbacOf(kind, object));
  return {
    policies: ofKind('PodSecurityPolicy').map(({ object }) =>
      setPolicyDefaults(object as unknown as PodSecurityPolicy),
    ),
    rbac: withBootstrap({
      roles: rbac('Role'),
      clusterRoles: rbac('ClusterRole'),
      roleBindings: rbac('RoleBinding'),
      clusterRoleBindings: rbac('ClusterRoleBinding'),
    }),
    namespaces: new Map(
      ofKind('Namespace').map(object => [metadataOf(object).name ?? '', metadataOf(object).labels ?? {}]),
    ),
  };
}
