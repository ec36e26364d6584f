import type { AgentClient } from '../../agent/client.ts';
import { servedKind } from '../../agent/resources.ts';
import { UserError } from '../../base/errors.ts';
import type { Pod } from '../../kube/types.generated.ts';
import { type Args, text } from '../io.ts';
import { servedType } from '../objects/types.ts';

/** The name of `web`, `pod/web` or `NAMESPACE/web`, and its namespace, `-n`'s or `default` where it says none. */
export function podName(args: Args, word: string): { readonly namespace: string; readonly name: string } {
  const asked = text(args, 'namespace');
  const [first = '', name, ...more] = word.split('/');
  if (more.length > 0)
    throw new UserError('arguments in resource/name form may not have more than one slash');
  if (name === undefined) return { namespace: asked ?? 'default', name: first };
  if (isPodWord(first)) return { namespace: asked ?? 'default', name };
  if (asked !== undefined) throw new UserError(`${servedType(first).kind} ${JSON.stringify(name)} is no pod`);
  return { namespace: first, name };
}

/** `pod/web`: a namespace of that name must be given by `-n`. */
export const isPodWord = (word: string): boolean => ['po', 'pod', 'pods'].includes(word);

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** The container that is meant where none is named: the annotated one, or the first. */
export function chosenContainer({ metadata, spec }: Pod): string {
  const annotated = annotatedContainer({ metadata, spec });
  return annotated ?? spec?.containers[0]?.name ?? '';
}

/** The one that the pod's author has chosen. */
export const annotatedContainer = ({ metadata, spec }: Pod): string | undefined =>
  spec?.containers.find(({ name }) => name === metadata?.annotations?.[DEFAULT_CONTAINER])?.name;

/** The pod that a command names. Throws a UserError if there is none. */
export async function namedPod(client: AgentClient, args: Args, word: string): Promise<Pod> {
  const { namespace, name } = podName(args, word);
  const pod = await client.find(servedKind('Pod'), namespace, name);
  if (pod === undefined)
    throw new UserError(`error from server (NotFound): pods "${name}" not found in namespace "${namespace}"`);
  return pod as Pod;
}
