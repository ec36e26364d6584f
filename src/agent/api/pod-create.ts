import { acceptPod } from '../../admission/accept.ts';
import type { LoadedPod } from '../../kube/manifest.ts';
import { qosClass } from '../../kube/resources.ts';
import type { Pod, PodSpec } from '../../kube/types.generated.ts';
import { admissionOf } from '../../runtime/admission.ts';
import { newUid } from '../../runtime/uid.ts';
import { forbidden } from '../api-error.ts';
import type { ApiObject } from '../objects.ts';
import { servedKind } from '../resources.ts';
import type { ApiContext, Change } from './context.ts';
import { asApi } from './invalid.ts';

/** There is no file behind a request. */
const SOURCE: LoadedPod['source'] = { file: '', locate: () => ({ line: 1, column: 1 }) };

/** A pod as it is stored: the API server's defaults, admission, validation, and more admission, in its order. */
export function preparePod(
  { registry, access }: Pick<ApiContext, 'registry' | 'access'>,
  object: ApiObject,
  { user, warn }: Change,
  isNameGenerated: boolean,
): ApiObject {
  const type = servedKind('Pod');
  const { name = '', namespace = 'default' } = object.metadata;
  const { status: _, ...written } = object;
  const pod = written as unknown as Pod;
  const account = pod.spec?.serviceAccountName || pod.spec?.serviceAccount || 'default';
  if (registry.get('ServiceAccount', namespace, account) === undefined)
    throw forbidden(
      type,
      name,
      `error looking up service account ${namespace}/${account}: serviceaccount ${JSON.stringify(account)} not found`,
    );
  const admission = admissionOf({ ...access.objects, user });
  const loaded = { pod, source: SOURCE, isNameGenerated };
  const accepted = asApi(type, name, () => acceptPod(loaded, newUid(), { admission, isKept: true }));
  for (const message of accepted.warnings) warn(message);
  const admitted = { ...accepted.pod, spec: withAdmissionDefaults(accepted.pod.spec ?? { containers: [] }) };
  return {
    ...(admitted as unknown as ApiObject),
    apiVersion: 'v1',
    kind: 'Pod',
    status: { phase: 'Pending', qosClass: qosClass(admitted) },
  };
}

const NODE_LOST = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/** What the API server's other plugins fill in: Priority and DefaultTolerationSeconds. */
function withAdmissionDefaults(spec: PodSpec): PodSpec {
  const { tolerations = [], serviceAccountName = 'default' } = spec;
  const tolerated = (key: string): boolean =>
    tolerations.some(
      toleration =>
        (toleration.key === key || !toleration.key) &&
        (toleration.effect === 'NoExecute' || !toleration.effect),
    );
  const added = NODE_LOST.filter(key => !tolerated(key)).map(key => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 300,
  }));
  return {
    ...spec,
    serviceAccount: serviceAccountName,
    priority: spec.priority ?? 0,
    preemptionPolicy: spec.preemptionPolicy ?? 'PreemptLowerPriority',
    tolerations: [...tolerations, ...added],
  };
}
