import type { Container, Pod } from '../kube/types.generated.ts';

/** What an image says about its users: /etc/passwd and /etc/group, first match wins. */
export interface ImageIdentity {
  /** USER of the image config: empty, a number or a name, each possibly with `:group`. */
  readonly user: string;
  readonly passwd: readonly {
    readonly name: string;
    readonly uid: number;
    readonly gid: number;
    readonly home: string;
  }[];
  readonly group: readonly {
    readonly name: string;
    readonly gid: number;
    readonly members: readonly string[];
  }[];
}

/** Where a setting came from; `setting` is one of podspace's own, as a kubelet's configuration is. */
export type Origin = 'container' | 'pod' | 'image' | 'setting' | 'default';

export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Sorted and without doubles; the primary group is among them, as the CRI does it. */
  readonly additionalGids: readonly number[];
  /** The name that /etc/passwd has for the uid. */
  readonly name: string | undefined;
  readonly home: string;
  readonly origin: { readonly uid: Origin; readonly gid: Origin };
}

/** Why a container cannot be created, in the kubelet's words. */
export interface IdentityError {
  readonly reason: 'CreateContainerConfigError' | 'CreateContainerError';
  readonly error: string;
}

const MAX_ID = 2147483647;

/** Who the container runs as: container over pod over image, and the kubelet's runAsNonRoot check. */
export function determineIdentity(
  pod: Pod,
  container: Container,
  image: ImageIdentity,
): Identity | IdentityError {
  const podContext = pod.spec?.securityContext ?? {};
  const context = container.securityContext ?? {};
  const runAsUser = context.runAsUser ?? podContext.runAsUser;
  const imageUser = parseImageUser(image.user);
  if (context.runAsNonRoot ?? podContext.runAsNonRoot) {
    const error = checkNonRoot(runAsUser, imageUser, where(pod, container));
    if (error !== undefined) return { reason: 'CreateContainerConfigError', error };
  }
  const uid =
    runAsUser ??
    (typeof imageUser === 'number' ? imageUser : image.passwd.find(({ name }) => name === imageUser)?.uid);
  if (uid === undefined)
    return {
      reason: 'CreateContainerError',
      error: `unable to find user ${imageUser}: no matching entries in passwd file`,
    };
  // The kernel would cut a larger number to 32 bits, and 4294967296 is then root.
  if (uid > MAX_ID && runAsUser === undefined)
    return {
      reason: 'CreateContainerError',
      error: `unable to find user ${imageUser}: uids and gids must be in range 0-${MAX_ID}`,
    };
  const entry = image.passwd.find(user => user.uid === uid);
  const runAsGroup = context.runAsGroup ?? podContext.runAsGroup;
  const gid = runAsGroup ?? entry?.gid ?? 0;
  return {
    uid,
    gid,
    additionalGids: additionalGroups(pod, gid, entry?.name, image),
    name: entry?.name,
    home: entry?.home || '/',
    origin: {
      uid: originOf(context.runAsUser, podContext.runAsUser) ?? (image.user === '' ? 'default' : 'image'),
      gid: originOf(context.runAsGroup, podContext.runAsGroup) ?? (entry === undefined ? 'default' : 'image'),
    },
  };
}

/** Where a setting that a container may override came from. */
export function originOf(container: unknown, pod: unknown): 'container' | 'pod' | undefined {
  if (container !== undefined) return 'container';
  return pod === undefined ? undefined : 'pod';
}

/** The text before ":", a number if it is one. The group of an image's USER has no effect under Kubernetes. */
function parseImageUser(user: string): number | string {
  const name = user.split(':')[0] ?? '';
  if (name === '') return 0;
  return /^[0-9]+$/.test(name) ? Number(name) : name;
}

function checkNonRoot(
  runAsUser: number | undefined,
  imageUser: number | string,
  at: string,
): string | undefined {
  if (runAsUser === 0) return `container's runAsUser breaks non-root policy ${at}`;
  if (runAsUser !== undefined) return undefined;
  if (imageUser === 0) return `container has runAsNonRoot and image will run as root ${at}`;
  if (typeof imageUser === 'string')
    return `container has runAsNonRoot and image has non-numeric user (${imageUser}), cannot verify user is non-root ${at}`;
  if (imageUser > MAX_ID)
    return `container has runAsNonRoot and image has an invalid user id (${imageUser}). (Must be 1-(${MAX_ID})): ${at}`;
  return undefined;
}

function where(pod: Pod, container: Container): string {
  const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
  return `(pod: "${name}_${namespace}(${uid})", container: ${container.name})`;
}

/** KEP-3619: `Merge` (the default) adds the groups that list the user in the image's /etc/group, `Strict` does not. */
function additionalGroups(
  pod: Pod,
  gid: number,
  name: string | undefined,
  image: ImageIdentity,
): readonly number[] {
  const context = pod.spec?.securityContext ?? {};
  const gids = new Set([gid, ...(context.supplementalGroups ?? [])]);
  if (context.fsGroup !== undefined) gids.add(context.fsGroup);
  if (name !== undefined && context.supplementalGroupsPolicy !== 'Strict') {
    for (const group of image.group)
      if (group.name !== name && group.members.includes(name)) gids.add(group.gid);
  }
  return [...gids].sort((a, b) => a - b);
}
