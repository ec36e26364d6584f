import { invalid } from '../../kube/field-error.ts';
import type { SecurityContext } from '../../kube/types.generated.ts';
import { type PolicyError, policyError } from './policy-error.ts';
import type { ContainerContext, ContainerRule } from './rule.ts';

export const ALL_CAPABILITIES = '*';

/** Names are compared as they are written: `ALL` and `CAP_CHOWN` are names like any other. */
export interface CapabilityLists {
  readonly defaultAddCapabilities: readonly string[];
  readonly requiredDropCapabilities: readonly string[];
  readonly allowedCapabilities: readonly string[];
}

/** Capabilities (podsecuritypolicy/capabilities). */
export function createCapabilitiesRule(lists: CapabilityLists): ContainerRule {
  return {
    mutate: context => additions(context, lists),
    validate: context => validate(context, lists),
  };
}

/** The lists are written anew, sorted and each name once, only if there is a new one. */
function additions({ container }: ContainerContext, lists: CapabilityLists): SecurityContext {
  const own = container.securityContext?.capabilities;
  const { add = [], drop = [] } = own ?? {};
  const defaults = lists.defaultAddCapabilities.filter(name => !drop.includes(name));
  const newAdd = union(defaults, add);
  const newDrop = union(lists.requiredDropCapabilities, drop);
  if (newAdd.length === new Set(add).size && newDrop.length === new Set(drop).size) return {};
  return {
    capabilities: {
      ...own,
      ...(newAdd.length > 0 ? { add: newAdd } : {}),
      ...(newDrop.length > 0 ? { drop: newDrop } : {}),
    },
  };
}

const union = (...lists: readonly (readonly string[])[]): readonly string[] =>
  [...new Set(lists.flat())].sort();

function validate({ container, path }: ContainerContext, lists: CapabilityLists): readonly PolicyError[] {
  const { defaultAddCapabilities, requiredDropCapabilities, allowedCapabilities } = lists;
  const at = `${path}.securityContext.capabilities`;
  const capabilities = container.securityContext?.capabilities;
  if (capabilities === undefined) {
    if (defaultAddCapabilities.length === 0 && requiredDropCapabilities.length === 0) return [];
    return [policyError(invalid(at, undefined, 'required capabilities are not set on the securityContext'))];
  }
  if (allowedCapabilities.includes(ALL_CAPABILITIES)) return [];
  const { add = [], drop } = capabilities;
  const mayAdd = [...defaultAddCapabilities, ...allowedCapabilities];
  return [
    ...add
      .filter(name => !mayAdd.includes(name))
      .map(name => policyError(invalid(`${at}.add`, name, 'capability may not be added'))),
    ...requiredDropCapabilities
      .filter(name => !drop?.includes(name))
      .map(name => {
        const detail = `${name} is required to be dropped but was not found`;
        return policyError(invalid(`${at}.drop`, drop, detail), { goType: '[]core.Capability' });
      }),
  ];
}
