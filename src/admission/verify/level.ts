import type { Pod } from '../../kube/types.generated.ts';
import { checkIdsOf } from '../pod-security/evaluate.ts';
import type { LevelVersion } from '../pod-security/levels.ts';
import { ask, type ContainerFacts, type Question, type Verified } from './facts.ts';
import {
  capabilitiesWithin,
  DEFAULT_SET,
  hostPortsWithin,
  NO_NEW_PRIVILEGES,
  NOT_PRIVILEGED,
  NOT_ROOT,
  notHostNamespace,
  PROC_PROTECTED,
  SECCOMP,
} from './questions.ts';

/** What each check of the Pod Security Standards comes to in the kernel; the others are about words of the spec alone. */
const QUESTIONS: Readonly<Record<string, readonly Question[]>> = {
  allowPrivilegeEscalation: [NO_NEW_PRIVILEGES],
  capabilities_baseline: [DEFAULT_SET],
  capabilities_restricted: [
    capabilitiesWithin(['CAP_NET_BIND_SERVICE'], 'no capability but NET_BIND_SERVICE'),
  ],
  hostNamespaces: [notHostNamespace('network'), notHostNamespace('pid'), notHostNamespace('ipc')],
  hostPorts: [hostPortsWithin([])],
  privileged: [NOT_PRIVILEGED],
  procMount: [PROC_PROTECTED],
  procMount_restricted: [PROC_PROTECTED],
  runAsNonRoot: [NOT_ROOT],
  runAsUser: [NOT_ROOT],
  seccompProfile_restricted: [SECCOMP],
};

/** Checks that leave a pod with a user namespace of its own alone, from Kubernetes 1.35 on. */
const RELAXED = new Set(['procMount', 'runAsNonRoot', 'runAsUser']);
const RELAXED_SINCE = 35;

/** Asks the kernel about each check of a level. */
export function verifyLevel(enforced: LevelVersion, pod: Pod, facts: ContainerFacts): readonly Verified[] {
  const isRelaxed =
    pod.spec?.hostUsers === false && (enforced.version === 'latest' || enforced.version >= RELAXED_SINCE);
  return checkIdsOf(enforced)
    .filter(id => !(isRelaxed && RELAXED.has(id)))
    .flatMap(id => (QUESTIONS[id] ?? []).map(question => ask(`PodSecurity/${id}`, question, facts)));
}
