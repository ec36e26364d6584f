import type { Attributes } from '../../admission/rbac/match.ts';
import type { UserInfo } from '../../admission/user.ts';
import { badRequest } from '../api-error.ts';
import type { ApiContext } from './context.ts';
import type { PostedType } from './posted.ts';

interface AccessSpec {
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly resourceAttributes?: Readonly<Record<string, unknown>>;
  readonly nonResourceAttributes?: { readonly path?: string; readonly verb?: string };
  readonly namespace?: string;
}

interface Review {
  readonly spec: AccessSpec;
  readonly user: UserInfo;
  readonly namespace: string | undefined;
}

type Answer = (context: Pick<ApiContext, 'access'>, review: Review) => object;

/** The `status` of each. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  SelfSubjectAccessReview: ({ access }, { spec, user }) => verdict(access.decide(user, attributesOf(spec))),
  SubjectAccessReview: ({ access }, { spec }) => verdict(access.decide(subjectOf(spec), attributesOf(spec))),
  LocalSubjectAccessReview: ({ access }, { spec, namespace }) => {
    const { namespace: asked } = spec.resourceAttributes ?? {};
    if (asked !== namespace)
      throw badRequest(`spec.resourceAttributes.namespace must match namespace: ${String(namespace)}`);
    return verdict(access.decide(subjectOf(spec), attributesOf(spec)));
  },
  SelfSubjectRulesReview: ({ access }, { spec, user }) => {
    const { rules, evaluationError } = access.rulesFor(user, spec.namespace ?? '');
    return {
      resourceRules: rules.filter(({ resources }) => resources !== undefined && resources.length > 0),
      nonResourceRules: rules
        .filter(({ nonResourceURLs }) => nonResourceURLs !== undefined)
        .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
      incomplete: evaluationError !== '',
      ...(evaluationError === '' ? {} : { evaluationError }),
    };
  },
  SelfSubjectReview: (_context, { user }) => ({ userInfo: { username: user.name, groups: user.groups } }),
};

function verdict({ allowed, reason }: { readonly allowed: boolean; readonly reason: string }): object {
  return { allowed, ...(reason === '' ? {} : { reason }) };
}

function subjectOf({ user = '', groups = [] }: AccessSpec): UserInfo {
  if (user === '' && groups.length === 0)
    throw badRequest('spec.user: Invalid value: "": at least one of user or group must be specified');
  return { name: String(user), groups: groups.map(String) };
}

function attributesOf({ resourceAttributes: asked, nonResourceAttributes: path }: AccessSpec): Attributes {
  if ((asked === undefined) === (path === undefined))
    throw badRequest(
      'spec.resourceAttributes: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified',
    );
  if (asked === undefined) return { verb: String(path?.verb ?? ''), path: String(path?.path ?? '') };
  const text = (field: string): string => String(asked[field] ?? '');
  return {
    verb: text('verb'),
    apiGroup: text('group'),
    resource: text('resource'),
    subresource: text('subresource'),
    name: text('name'),
    namespace: text('namespace'),
  };
}

/** Answers a question that was posted. Throws an ApiError (400). */
export function answerReview(
  context: Pick<ApiContext, 'access'>,
  { kind, group, version }: PostedType,
  body: Readonly<Record<string, unknown>>,
  user: UserInfo,
  namespace: string | undefined,
): object {
  const answer = ANSWERS[kind];
  if (answer === undefined) throw new Error(`bug in podspace: nothing answers a ${kind}`);
  const { spec = {}, metadata = {} } = body;
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec))
    throw badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: spec is no object`);
  const status = answer(context, { spec: spec as AccessSpec, user, namespace });
  return {
    kind,
    apiVersion: `${group}/${version}`,
    metadata: { ...(metadata as object), creationTimestamp: null },
    ...(kind === 'SelfSubjectReview' ? {} : { spec }),
    status,
  };
}
