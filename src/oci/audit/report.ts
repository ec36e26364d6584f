import type { Container, Pod } from '../../kube/types.generated.ts';
import type { EffectiveSecurityContext } from '../../security/effective.ts';
import type { OciSeccomp } from '../config.ts';
import { letsThrough } from './decide.ts';
import type { Observation, ObservedCapability } from './observation.ts';
import { observedProfile } from './observed-profile.ts';
import { type Suggestion, suggest } from './suggest.ts';

/** What a container did, and what would have been enough for it. */
export interface AuditedContainer {
  readonly name: string;
  readonly observation: Observation;
  /** What of it a filter would have refused: the pod's own, or RuntimeDefault where the pod has none. */
  readonly denied: { readonly by: string; readonly calls: readonly string[] };
  readonly profile: OciSeccomp;
  readonly suggestion: Suggestion;
}

export interface AuditInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly security: EffectiveSecurityContext;
  /** The container's own filter, or what RuntimeDefault would be for it. */
  readonly seccomp: OciSeccomp;
  readonly observation: Observation;
  /** What the profile's file is called below the profile root. */
  readonly localhostProfile: string;
}

export function reportOn(input: AuditInput): AuditedContainer {
  const { pod, container, security, observation, localhostProfile } = input;
  const { seccompProfile } = security;
  const denied = observation.calls.filter(call => !letsThrough(input.seccomp, call)).map(({ name }) => name);
  const suggestion = suggest(pod, container, security, observation, localhostProfile);
  return {
    name: container.name,
    observation,
    denied: {
      by: seccompProfile.type === 'Localhost' ? seccompProfile.localhostProfile : 'RuntimeDefault',
      calls: denied,
    },
    profile: observedProfile(observation.calls),
    suggestion: { ...suggestion, notes: [...suggestion.notes, ...noteOnVain(denied, observation)] },
  };
}

/** What the profile allows because it was tried, though it came to nothing. */
function noteOnVain(denied: readonly string[], { capabilities }: Observation): readonly string[] {
  if ('unwatched' in capabilities) return [];
  const succeeded = new Set(capabilities.used.flatMap(({ calls }) => calls));
  const refused = new Set(capabilities.refused.flatMap(({ calls }) => calls));
  const vain = denied.filter(name => refused.has(name) && !succeeded.has(name));
  if (vain.length === 0) return [];
  return [`${vain.join(', ')}: refused for want of a capability, so the profile need not allow them`];
}

/** The report in lines, all but the suggestion. */
export function describeAudit(
  { observation, denied }: AuditedContainer,
  wasFiltered: boolean,
): readonly string[] {
  const { calls, capabilities, written, isWrittenCut } = observation;
  const sum = calls.reduce((total, { count }) => total + count, 0);
  return [
    `system calls: ${sum} of ${calls.length} kinds`,
    ...(denied.calls.length === 0
      ? [`${denied.by} allows all of them`]
      : [`${denied.by} ${wasFiltered ? 'denies' : 'would deny'}: ${denied.calls.join(', ')}`]),
    ...('unwatched' in capabilities
      ? [`capabilities: not watched: ${capabilities.unwatched}`]
      : [
          `capabilities used: ${listOf(capabilities.used)}`,
          ...(capabilities.refused.length === 0
            ? []
            : [`capabilities looked for, and not there: ${listOf(capabilities.refused)}`]),
          ...(capabilities.lost === 0 ? [] : [`${capabilities.lost} questions about capabilities were lost`]),
        ]),
    written.length === 0
      ? 'written to in the root: nothing'
      : `written to in the root${isWrittenCut ? ' (among others)' : ''}:`,
    ...written.map(({ path, names, isNew }) => {
      const what = names.length === 0 ? '' : ` (${names.join(', ')})`;
      return `  ${path}${isNew ? ', which is new' : what}`;
    }),
  ];
}

function listOf(capabilities: readonly ObservedCapability[]): string {
  if (capabilities.length === 0) return 'none';
  return capabilities
    .map(
      ({ name, calls }) => `${name.replace('CAP_', '')}${calls.length === 0 ? '' : ` (${calls.join(', ')})`}`,
    )
    .join(', ');
}
