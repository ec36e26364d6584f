import type { UserInfo } from '../user.ts';
import type { ResourceAttributes } from './match.ts';

/** Forbidden of apiserver/pkg/endpoints/handlers/responsewriters; `reason` is the authorizer's, perhaps empty. */
export function refusalText(user: UserInfo, asked: ResourceAttributes, reason: string): string {
  const { verb, resource, apiGroup, subresource = '', name = '', namespace = '' } = asked;
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const which = [
    apiGroup === '' ? resource : `${resource}.${apiGroup}`,
    ...(name === '' ? [] : [JSON.stringify(name)]),
  ].join(' ');
  const why = reason === '' ? '' : `: ${reason}`;
  return `${which} is forbidden: User ${JSON.stringify(user.name)} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(apiGroup)} ${where}${why}`;
}
