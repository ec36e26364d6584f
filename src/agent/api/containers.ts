import type { Container, ContainerStatus, PodSpec, PodStatus } from '../../kube/types.generated.ts';
import { badRequest } from '../api-error.ts';
import type { ApiObject } from '../objects.ts';

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** The container of a pod that is meant. Throws an ApiError (400) in the API server's words. */
export function chooseContainer(pod: ApiObject, asked: string): Container {
  const { containers = [], initContainers = [] } = (pod.spec ?? {}) as PodSpec;
  const podName = pod.metadata.name ?? '';
  const all = [...containers, ...initContainers];
  const wanted =
    asked === '' && containers.length > 1 ? pod.metadata.annotations?.[DEFAULT_CONTAINER] : asked;
  if (wanted === undefined || wanted === '') {
    const [only, another] = containers;
    if (only !== undefined && another === undefined) return only;
    const names = (list: readonly Container[]): string => `[${list.map(({ name }) => name).join(' ')}]`;
    const init =
      initContainers.length === 0 ? '' : ` or one of the init containers: ${names(initContainers)}`;
    throw badRequest(
      `a container name must be specified for pod ${podName}, choose one of: ${names(containers)}${init}`,
    );
  }
  const found = all.find(({ name }) => name === wanted);
  if (found === undefined) throw badRequest(`container ${wanted} is not valid for pod ${podName}`);
  return found;
}

export function statusOfContainer(pod: ApiObject, name: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = (pod.status ?? {}) as PodStatus;
  return [...containerStatuses, ...initContainerStatuses].find(each => each.name === name);
}
