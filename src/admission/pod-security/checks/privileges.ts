import { type Check, type CheckPod, exceptWindows, verdict } from '../check.ts';
import { containersWhere } from '../containers.ts';

const checkPrivileged: CheckPod = (_, spec) => {
  const bad = containersWhere(spec, ({ securityContext }) => securityContext?.privileged === true);
  return verdict('privileged', bad && `${bad} must not set securityContext.privileged=true`);
};

/** securityContext.privileged of a container: undefined or false. */
export const privileged: Check = {
  id: 'privileged',
  level: 'baseline',
  versions: [{ since: 0, check: checkPrivileged }],
};

const checkAllowPrivilegeEscalation: CheckPod = (_, spec) => {
  const bad = containersWhere(
    spec,
    ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false,
  );
  return verdict(
    'allowPrivilegeEscalation != false',
    bad && `${bad} must set securityContext.allowPrivilegeEscalation=false`,
  );
};

/** securityContext.allowPrivilegeEscalation of a container: false. The field is there since 1.8. */
export const allowPrivilegeEscalation: Check = {
  id: 'allowPrivilegeEscalation',
  level: 'restricted',
  versions: [
    { since: 8, check: checkAllowPrivilegeEscalation },
    { since: 25, check: exceptWindows(checkAllowPrivilegeEscalation) },
  ],
};
