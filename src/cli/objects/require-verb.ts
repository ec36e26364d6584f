import type { ResourceType } from '../../admission/rbac/resources.ts';
import { requireAllowed } from '../../runtime/authorize.ts';
import type { ObjectKey } from '../../runtime/object-store.ts';
import { admissionOptions } from '../input.ts';
import type { Args, Io } from '../io.ts';

/** Throws a UserError if the user of `--as` may not do that with objects of a type; without a name with any of them. */
export function requireVerb(
  args: Args,
  io: Io,
  verb: string,
  { resource, group }: ResourceType,
  { namespace, name }: Pick<ObjectKey, 'namespace' | 'name'>,
): void {
  requireAllowed(io.roots, admissionOptions(args), {
    verb,
    resource,
    apiGroup: group,
    name,
    ...(namespace === undefined ? {} : { namespace }),
  });
}
