import { type Check, type CheckPod, exceptUserNamespaces, verdict } from '../check.ts';
import { settersWhere, silentAbout } from '../containers.ts';

const checkRunAsNonRoot: CheckPod = (_, spec) => {
  const reason = 'runAsNonRoot != true';
  const setters = settersWhere(spec, ({ runAsNonRoot }) => runAsNonRoot === false);
  if (setters !== undefined)
    return verdict(reason, `${setters} must not set securityContext.runAsNonRoot=false`);
  const silent = silentAbout(spec, 'runAsNonRoot');
  return verdict(reason, silent && `${silent} must set securityContext.runAsNonRoot=true`);
};

/** securityContext.runAsNonRoot of every container, or of the pod for it: true; and of nobody false. */
export const runAsNonRoot: Check = {
  id: 'runAsNonRoot',
  level: 'restricted',
  versions: [
    { since: 0, check: checkRunAsNonRoot },
    { since: 35, check: exceptUserNamespaces(checkRunAsNonRoot) },
  ],
};

const checkRunAsUser: CheckPod = (_, spec) => {
  const setters = settersWhere(spec, context => context.runAsUser === 0);
  return verdict('runAsUser=0', setters && `${setters} must not set runAsUser=0`);
};

/** securityContext.runAsUser of pod and containers: undefined or not 0. */
export const runAsUser: Check = {
  id: 'runAsUser',
  level: 'restricted',
  versions: [
    { since: 23, check: checkRunAsUser },
    { since: 35, check: exceptUserNamespaces(checkRunAsUser) },
  ],
};
