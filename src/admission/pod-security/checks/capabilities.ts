import type { PodSpec } from '../../../kube/types.generated.ts';
import { DEFAULT_CAPABILITIES } from '../../../linux/capabilities.ts';
import { type Check, type CheckPod, exceptWindows, verdict } from '../check.ts';
import { containersOf, containersWhere, offenders } from '../containers.ts';
import { joinQuote, named } from '../words.ts';

/** `container "a" must not include "SYS_ADMIN" in …`. Names are taken literally: in capitals, without `CAP_`. */
function addsOtherThan(spec: PodSpec, allowed: readonly string[]): string | undefined {
  const bad = offenders(containersOf(spec), ({ securityContext }) =>
    (securityContext?.capabilities?.add ?? []).filter(name => !allowed.includes(name)),
  );
  if (bad === undefined) return undefined;
  return `${named('container', bad.names)} must not include ${joinQuote(bad.values)} in securityContext.capabilities.add`;
}

/** What a container has anyway; but not raw sockets, which can forge whatever the network takes for granted. */
const BASELINE_CAPABILITIES = DEFAULT_CAPABILITIES.filter(name => name !== 'CAP_NET_RAW').map(name =>
  name.slice('CAP_'.length),
);

/** securityContext.capabilities.add of a container: some of the usual ones. */
export const capabilitiesBaseline: Check = {
  id: 'capabilities_baseline',
  level: 'baseline',
  versions: [
    {
      since: 0,
      check: (_, spec) => verdict('non-default capabilities', addsOtherThan(spec, BASELINE_CAPABILITIES)),
    },
  ],
};

const checkRestricted: CheckPod = (_, spec) => {
  const keeping = containersWhere(
    spec,
    ({ securityContext }) => securityContext?.capabilities?.drop?.includes('ALL') !== true,
  );
  const details = [
    keeping && `${keeping} must set securityContext.capabilities.drop=["ALL"]`,
    addsOtherThan(spec, ['NET_BIND_SERVICE']),
  ].filter(detail => detail !== undefined);
  return verdict('unrestricted capabilities', details.length === 0 ? undefined : details.join('; '));
};

/** securityContext.capabilities of a container: `ALL` in drop, and at most NET_BIND_SERVICE in add. */
export const capabilitiesRestricted: Check = {
  id: 'capabilities_restricted',
  level: 'restricted',
  versions: [
    { since: 22, overrides: [capabilitiesBaseline.id], check: checkRestricted },
    { since: 25, overrides: [capabilitiesBaseline.id], check: exceptWindows(checkRestricted) },
  ],
};
