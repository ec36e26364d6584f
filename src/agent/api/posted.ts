import type { ResourceType } from '../../admission/rbac/resources.ts';

/** Types that are only posted: a question, and its answer. */
export interface PostedType
  extends Pick<ResourceType, 'group' | 'version' | 'kind' | 'resource' | 'namespaced'> {
  /** Whoever is somebody may ask it: it is about himself (system:basic-user). */
  readonly isFree: boolean;
}

const of =
  (group: string) =>
  (kind: string, isFree: boolean, namespaced = false): PostedType => ({
    group,
    version: 'v1',
    kind,
    resource: `${kind.toLowerCase()}s`,
    namespaced,
    isFree,
  });
const authorization = of('authorization.k8s.io');
const authentication = of('authentication.k8s.io');

export const POSTED: readonly PostedType[] = [
  authorization('SelfSubjectAccessReview', true),
  authorization('SelfSubjectRulesReview', true),
  authorization('SubjectAccessReview', false),
  authorization('LocalSubjectAccessReview', false, true),
  authentication('SelfSubjectReview', true),
];
