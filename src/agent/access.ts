import type { AdmissionObjects } from '../admission/admission.ts';
import { authorize, type Decision, type RulesFor, rulesFor } from '../admission/rbac/authorizer.ts';
import type { Attributes, ResourceAttributes } from '../admission/rbac/match.ts';
import { refusalText } from '../admission/rbac/refusal.ts';
import type { UserInfo } from '../admission/user.ts';
import { ADMISSION_KINDS, collectAdmission } from '../runtime/admission.ts';
import { ApiError } from './api-error.ts';
import type { Registry } from './registry.ts';

/** Who may do what: the policies, roles and bindings of the registry, put together anew when one of them changes. */
export class Access {
  readonly #registry: Registry;
  #objects: AdmissionObjects | undefined;

  constructor(registry: Registry) {
    this.#registry = registry;
    for (const kind of Object.keys(ADMISSION_KINDS))
      registry.watch(kind, undefined, () => {
        this.#objects = undefined;
      });
  }

  /** What decides about pods. Throws an ApiError while something that denies cannot be read: without it more would be allowed. */
  get objects(): AdmissionObjects {
    const [damaged] = this.#registry.damaged;
    if (damaged !== undefined) throw new ApiError('InternalError', `Internal error occurred: ${damaged}`);
    return this.#collect();
  }

  decide(user: UserInfo, attributes: Attributes): Decision {
    return authorize(this.#collect().rbac, user, attributes);
  }

  rulesFor(user: UserInfo, namespace: string): RulesFor {
    return rulesFor(this.#collect().rbac, user, namespace);
  }

  /** Throws an ApiError (403) in the API server's words. */
  require(user: UserInfo, attributes: Attributes): void {
    const { allowed, reason } = this.decide(user, attributes);
    if (allowed) return;
    const why = reason === '' ? '' : `: ${reason}`;
    throw 'path' in attributes
      ? new ApiError(
          'Forbidden',
          `forbidden: User ${JSON.stringify(user.name)} cannot ${attributes.verb} path ${JSON.stringify(attributes.path)}${why}`,
          {},
        )
      : refusal(user, attributes, reason);
  }

  #collect(): AdmissionObjects {
    this.#objects ??= collectAdmission(
      Object.keys(ADMISSION_KINDS).flatMap(kind =>
        this.#registry.list(kind).items.map(object => ({ kind, object })),
      ),
    );
    return this.#objects;
  }
}

function refusal(user: UserInfo, asked: ResourceAttributes, reason: string): ApiError {
  const { resource, apiGroup, name = '' } = asked;
  return new ApiError('Forbidden', refusalText(user, asked, reason), {
    ...(name === '' ? {} : { name }),
    ...(apiGroup === '' ? {} : { group: apiGroup }),
    kind: resource,
  });
}
