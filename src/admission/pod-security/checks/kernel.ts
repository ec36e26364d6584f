import { SAFE_SYSCTLS } from '../../../kube/sysctls.ts';
import { type Check, type CheckPod, exceptUserNamespaces, verdict, versionsOf } from '../check.ts';
import { containersOf, offenders } from '../containers.ts';
import { joinQuote, named } from '../words.ts';

const checkProcMount: CheckPod = (_, spec) => {
  const bad = offenders(containersOf(spec), ({ securityContext: { procMount = 'Default' } = {} }) =>
    procMount === 'Default' ? [] : [procMount],
  );
  return verdict(
    'procMount',
    bad &&
      `${named('container', bad.names)} must not set securityContext.procMount to ${joinQuote(bad.values)}`,
  );
};

/** securityContext.procMount of a container: undefined or Default. */
export const procMount: Check = {
  id: 'procMount',
  level: 'baseline',
  versions: [
    { since: 0, check: checkProcMount },
    { since: 35, check: exceptUserNamespaces(checkProcMount) },
  ],
};

/** The same whatever the user namespace, since the baseline lets some through. */
export const procMountRestricted: Check = {
  id: 'procMount_restricted',
  level: 'restricted',
  versions: [{ since: 35, overrides: [procMount.id], check: checkProcMount }],
};

/** spec.securityContext.sysctls[].name: of the safe ones, literally: a name with slashes is none of them. */
export const sysctls: Check = {
  id: 'sysctls',
  level: 'baseline',
  versions: versionsOf(SAFE_SYSCTLS, isSafe => (_, { securityContext: { sysctls: asked = [] } = {} }) => {
    const bad = asked.map(({ name }) => name).filter(name => !isSafe(name));
    return verdict('forbidden sysctls', bad.length === 0 ? undefined : bad.join(', '));
  }),
};
