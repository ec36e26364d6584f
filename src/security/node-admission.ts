import { forbiddenSysctl } from '../kube/sysctls.ts';
import type { Pod } from '../kube/types.generated.ts';
import { type ModuleFacts, unenforceableAppArmor } from './labels.ts';

/** What a kubelet is told, and has found out, about its node. */
export interface Node {
  readonly allowedUnsafeSysctls: readonly string[];
  readonly modules: ModuleFacts;
}

/** Why a kubelet would not even try an accepted pod: its `status.reason` and `status.message`; the pod has Failed then. */
export interface Rejection {
  readonly reason: 'SysctlForbidden' | 'AppArmor';
  readonly message: string;
}

export function rejectedByNode(pod: Pod, { allowedUnsafeSysctls, modules }: Node): Rejection | undefined {
  const sysctl = forbiddenSysctl(pod, allowedUnsafeSysctls);
  if (sysctl !== undefined) return { reason: 'SysctlForbidden', message: `Pod was rejected: ${sysctl}` };
  const appArmor = unenforceableAppArmor(pod, modules);
  return appArmor === undefined
    ? undefined
    : { reason: 'AppArmor', message: `Pod was rejected: ${appArmor}` };
}
