import type { Container, Pod, SecurityContext, Volume, VolumeMount } from '../../kube/types.generated.ts';
import type { EffectiveSecurityContext } from '../../security/effective.ts';
import type { Observation, WrittenDirectory } from './observation.ts';

/** What would have been enough for a container that was watched, in the words of a pod spec. */
export interface Suggestion {
  readonly securityContext: SecurityContext;
  /** What readOnlyRootFilesystem needs: an emptyDir for each directory that was written to. */
  readonly volumeMounts: readonly VolumeMount[];
  readonly volumes: readonly Volume[];
  /** What is left for people to decide. */
  readonly notes: readonly string[];
}

/** Only what was seen counts: a path of the program that did not run may need more. */
export function suggest(
  pod: Pod,
  container: Container,
  security: EffectiveSecurityContext,
  observation: Observation,
  localhostProfile: string,
): Suggestion {
  const { written } = observation;
  const kept = written.filter(directory => !canBeCovered(directory));
  const isReadOnly = kept.length === 0 && !observation.isWrittenCut;
  const mounts = mountsFor(isReadOnly ? written.map(({ path }) => path) : [], pod.spec?.volumes ?? []);
  return {
    securityContext: {
      ...(security.identity.uid === 0 ? {} : { runAsNonRoot: true }),
      ...privileges(security, observation),
      ...(isReadOnly ? { readOnlyRootFilesystem: true } : {}),
      seccompProfile: { type: 'Localhost', localhostProfile },
    },
    volumeMounts: mounts,
    volumes: mounts.map(({ name }) => ({ name, emptyDir: {} })),
    notes: [...notesOnFiles(kept, observation), ...notesOnPrivileges(container, security, observation)],
  };
}

/** An empty directory takes its place without hiding anything. */
function canBeCovered({ path, isNew, imageEntries }: WrittenDirectory): boolean {
  return path !== '/' && (isNew || imageEntries === 0);
}

/** A volume for each path, named after it, with a name that nobody else has. */
function mountsFor(paths: readonly string[], others: readonly Volume[]): readonly VolumeMount[] {
  const taken = new Set(others.map(({ name }) => name));
  return paths.map(mountPath => {
    const words = mountPath.toLowerCase().match(/[a-z0-9]+/g) ?? ['written'];
    const base = words.join('-').slice(0, MAX_VOLUME_NAME).replace(/-$/, '');
    let name = base;
    for (let i = 2; taken.has(name); i++) name = `${base}-${i}`;
    taken.add(name);
    return { name, mountPath };
  });
}

/** A DNS label has 63; some are for a number. */
const MAX_VOLUME_NAME = 50;

function privileges(
  { identity }: EffectiveSecurityContext,
  { capabilities }: Observation,
): Pick<SecurityContext, 'capabilities' | 'allowPrivilegeEscalation'> {
  if ('unwatched' in capabilities || capabilities.lost > 0) return {};
  const names = capabilities.used.map(({ name }) => name.replace('CAP_', ''));
  // Root keeps its capabilities over execve without any set-user-ID file, unless it has become somebody else meanwhile;
  // a user has some only through such files, and then the kernel was seen to find them.
  const mayHaveGained = identity.uid === 0 ? names.includes('SETUID') : names.length > 0;
  return {
    ...(mayHaveGained ? {} : { allowPrivilegeEscalation: false }),
    capabilities: { ...(names.length === 0 ? {} : { add: names }), drop: ['ALL'] },
  };
}

function notesOnFiles(kept: readonly WrittenDirectory[], { isWrittenCut }: Observation): readonly string[] {
  return [
    ...kept.map(({ path, names, imageEntries }) => {
      const what = names.length === 0 ? '' : ` (${names.join(', ')})`;
      return path === '/'
        ? `the root cannot be read-only: it was written to itself${what}`
        : `the root cannot be read-only as it is: ${path} was written to${what}, and an emptyDir there would hide ${imageEntries} ${imageEntries === 1 ? 'entry' : 'entries'} of the image`;
    }),
    ...(isWrittenCut ? ['too much was written to list it all: the root is left writable'] : []),
  ];
}

function notesOnPrivileges(
  { securityContext }: Container,
  { privileged }: EffectiveSecurityContext,
  { capabilities }: Observation,
): readonly string[] {
  return [
    ...('unwatched' in capabilities
      ? [`capabilities could not be watched, and none are suggested: ${capabilities.unwatched}`]
      : capabilities.lost > 0
        ? [
            `${capabilities.lost} questions about capabilities were lost, so none are suggested: the trace was too slow`,
          ]
        : []),
    ...(privileged
      ? [
          'privileged also gives devices, unmasked paths and a writable /sys: whether those were used is not watched',
        ]
      : []),
    ...(securityContext?.procMount === 'Unmasked'
      ? ['whether procMount Unmasked was needed is not watched']
      : []),
  ];
}
