import { type Built, failed, nameError } from '../../admission/rbac/create.ts';
import {
  type ClusterRoleBindingFlags,
  createClusterRoleBinding,
  createRoleBinding,
  type RoleBindingFlags,
} from '../../admission/rbac/create-binding.ts';
import { type ClusterRoleFlags, createClusterRole, createRole } from '../../admission/rbac/create-role.ts';
import type { RbacObject } from '../../admission/rbac/objects.ts';
import { UserError } from '../../base/errors.ts';
import type { Namespace } from '../../kube/types.generated.ts';
import { type Args, type Io, text, texts } from '../io.ts';
import type { FiledObject } from './read-objects.ts';

type Flags = ClusterRoleFlags & ClusterRoleBindingFlags & RoleBindingFlags;

/** Objects that are made from flags. */
const BUILDERS: Readonly<
  Record<string, readonly [kind: string, build: (flags: Flags) => Built<RbacObject | Namespace>]>
> = {
  namespace: ['Namespace', createNamespace],
  ns: ['Namespace', createNamespace],
  clusterrole: ['ClusterRole', createClusterRole],
  role: ['Role', createRole],
  clusterrolebinding: ['ClusterRoleBinding', createClusterRoleBinding],
  rolebinding: ['RoleBinding', createRoleBinding],
};

function createNamespace({ names }: Flags): Built<Namespace> {
  const error = nameError(names);
  if (error !== undefined) return failed(error);
  return {
    object: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: names[0] ?? '' } },
    warnings: [],
  };
}

/** The object of `create clusterrole NAME --verb=…`. Throws a UserError. */
export function builtObject(args: Args, io: Io, [word = '', ...names]: readonly string[]): FiledObject {
  const builder = Object.hasOwn(BUILDERS, word) ? BUILDERS[word] : undefined;
  if (builder === undefined)
    throw new UserError(word === '' ? 'must specify -f, or what to create' : `unknown object "${word}"`, {
      hint: `podspace create ${Object.keys(BUILDERS).join('|')} NAME, or -f FILE`,
    });
  const [kind, build] = builder;
  const namespace = text(args, 'namespace');
  const one = (option: string): object => {
    const value = text(args, option);
    return value === undefined ? {} : { [option]: value };
  };
  const built = build({
    names,
    verb: texts(args, 'verb'),
    resource: texts(args, 'resource'),
    resourceName: texts(args, 'resource-name'),
    nonResourceUrl: texts(args, 'non-resource-url'),
    aggregationRule: texts(args, 'aggregation-rule'),
    user: texts(args, 'user'),
    group: texts(args, 'group'),
    serviceaccount: texts(args, 'serviceaccount'),
    ...one('clusterrole'),
    ...one('role'),
    ...(namespace === undefined ? {} : { namespace }),
  });
  for (const warning of built.warnings) io.err(`${warning}\n`);
  if ('error' in built) throw new UserError(built.error, { hint: `podspace create --help` });
  const { apiVersion = '' } = built.object;
  const object = built.object as unknown as FiledObject['object'];
  const source = { file: '(flags)', locate: () => ({ line: 1, column: 1 }) };
  return { apiVersion, kind, object, source, file: '(flags)' };
}
