import { RESOURCES, type ResourceType } from '../../admission/rbac/resources.ts';
import { ApiError } from '../api-error.ts';

/** Workloads: kinds that clients find, so that they are told why they cannot be had. */
const WORKLOADS = [
  'Deployment',
  'DaemonSet',
  'ReplicaSet',
  'StatefulSet',
  'Job',
  'CronJob',
  'ReplicationController',
];

export const UNSERVED: readonly ResourceType[] = RESOURCES.filter(({ kind }) => WORKLOADS.includes(kind));

/** 404, with the reason. */
export function unserved({ group, resource }: Pick<ResourceType, 'group' | 'resource'>): ApiError {
  const name = group === '' ? resource : `${resource}.${group}`;
  return new ApiError(
    'NotFound',
    `${name} are not served: podspace has no controllers, those belong to a cluster; create the pods themselves`,
    { ...(group === '' ? {} : { group }), kind: resource },
  );
}
