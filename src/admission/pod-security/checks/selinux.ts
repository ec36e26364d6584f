import { type Check, type CheckPod, verdict, versionsOf } from '../check.ts';
import { contextsOf, type SharedContext, settersWhere } from '../containers.ts';
import { distinct, named } from '../words.ts';

/** Types of container-selinux that confine a container, and the minor version since which they are allowed. */
const CONFINED_TYPES: Readonly<Record<string, number>> = {
  '': 0,
  container_t: 0,
  container_init_t: 0,
  container_kvm_t: 0,
  container_engine_t: 31,
};

const checkAllowing =
  (isConfined: (type: string) => boolean): CheckPod =>
  (_, spec) => {
    const typeOf = ({ seLinuxOptions }: SharedContext): string => seLinuxOptions?.type ?? '';
    const hasUser = ({ seLinuxOptions }: SharedContext): boolean => Boolean(seLinuxOptions?.user);
    const hasRole = ({ seLinuxOptions }: SharedContext): boolean => Boolean(seLinuxOptions?.role);
    const setters = settersWhere(
      spec,
      context => !isConfined(typeOf(context)) || hasUser(context) || hasRole(context),
    );
    const contexts = contextsOf(spec);
    const badTypes = distinct(contexts.map(typeOf).filter(type => !isConfined(type)));
    const details = [
      badTypes.length === 0 ? [] : named('type', badTypes),
      contexts.some(hasUser) ? 'user may not be set' : [],
      contexts.some(hasRole) ? 'role may not be set' : [],
    ].flat();
    return verdict(
      'seLinuxOptions',
      setters && `${setters} set forbidden securityContext.seLinuxOptions: ${details.join('; ')}`,
    );
  };

/** securityContext.seLinuxOptions of pod and containers: one of some types, and no user or role. */
export const seLinuxOptions: Check = {
  id: 'seLinuxOptions',
  level: 'baseline',
  versions: versionsOf(CONFINED_TYPES, checkAllowing),
};
