import { RESOURCES, type ResourceType, resourceFor } from '../../admission/rbac/resources.ts';
import { SERVED, type ServedType } from '../../agent/resources.ts';
import { UserError } from '../../base/errors.ts';
import { isStoredKind } from '../../runtime/kinds.ts';

/** The type that a word means, as kubectl takes it: `po`, `psp`, `role.rbac.authorization.k8s.io`. Throws a UserError. */
export function servedType(word: string): ServedType {
  const [resource = '', ...group] = word.split('.');
  const type = resourceFor({ resource, group: group.join('.') });
  if (type === undefined)
    throw new UserError(`the server doesn't have a resource type ${JSON.stringify(word)}`, {
      hint: keptHint(),
    });
  return servedKind(type.kind);
}

/** The types that a word with commas means; `all` those of its category. */
export const servedTypes = (words: string): readonly ServedType[] =>
  words.split(',').flatMap(word => {
    const inCategory = SERVED.filter(({ categories }) => categories.includes(word));
    return inCategory.length > 0 ? inCategory : [servedType(word)];
  });

/** The type of a kind. Throws a UserError for one that only a cluster has. */
export function servedKind(kind: string): ServedType {
  const type = SERVED.find(each => each.kind === kind);
  if (type !== undefined) return type;
  const isController = RESOURCES.some(each => each.kind === kind && ['apps', 'batch'].includes(each.group));
  throw new UserError(`objects of kind ${kind} are not kept by podspace`, {
    hint: isController
      ? `what makes pods of a ${kind} belongs to a cluster; podspace run FILE runs its pod`
      : keptHint(),
  });
}

const keptHint = (): string => `kept are: ${[...new Set(SERVED.map(({ kind }) => kind))].join(', ')}`;

/** Whether only the agent has objects of a type: nobody else keeps pods, or knows of events. */
export const isAgents = ({ kind }: Pick<ResourceType, 'kind'>): boolean => !isStoredKind(kind);
