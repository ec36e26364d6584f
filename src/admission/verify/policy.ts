import type { Container, IDRange, Pod } from '../../kube/types.generated.ts';
import { type CapabilityName, DEFAULT_CAPABILITIES, isCapability } from '../../linux/capabilities.ts';
import { ALL_CAPABILITIES } from '../pod-security-policy/capabilities.ts';
import type { DefaultedPolicy } from '../pod-security-policy/policy.ts';
import { UNCONFINED } from '../pod-security-policy/profiles.ts';
import { ALLOWED_SECCOMP, ANY_SECCOMP } from '../pod-security-policy/seccomp.ts';
import { ask, type ContainerFacts, ofProcesses, type Question, type Verified } from './facts.ts';
import {
  capabilitiesWithin,
  capabilitiesWithout,
  hostPortsWithin,
  NO_NEW_PRIVILEGES,
  NOT_PRIVILEGED,
  NOT_ROOT,
  notHostNamespace,
  PROC_PROTECTED,
  READ_ONLY_ROOT,
  SECCOMP,
} from './questions.ts';

const inRanges = (id: number, ranges: readonly IDRange[]): boolean =>
  ranges.some(({ min, max }) => id >= min && id <= max);
const rangesText = (ranges: readonly IDRange[]): string =>
  ranges.map(({ min, max }) => (min === max ? `${min}` : `${min}-${max}`)).join(', ');
/** Names as the runtime takes them: in any case; what it does not know has no effect, and is no promise. */
const kernelNames = (names: readonly string[]): readonly CapabilityName[] =>
  names.map(name => `CAP_${name.toUpperCase()}`).filter(isCapability);
/** No capability like any other for a policy, but for the runtime it is all of them. */
const hasAll = (names: readonly string[]): boolean => names.some(name => name.toUpperCase() === 'ALL');

/** The container of that name, as it was admitted. */
function containerOf({ spec }: Pod, name: string): Container | undefined {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].find(each => each.name === name);
}

/** The rules of a policy that the kernel can be asked about, by the policy's field. */
function questionsOf(
  { spec, metadata }: DefaultedPolicy,
  pod: Pod,
  container: Container | undefined,
): readonly (readonly [field: string, question: Question | undefined])[] {
  const { fsGroup, supplementalGroups = [], runAsGroup } = pod.spec?.securityContext ?? {};
  const context = container?.securityContext ?? {};
  return [
    ['privileged', spec.privileged ? undefined : NOT_PRIVILEGED],
    ['hostNetwork', spec.hostNetwork ? undefined : notHostNamespace('network')],
    ['hostPID', spec.hostPID ? undefined : notHostNamespace('pid')],
    ['hostIPC', spec.hostIPC ? undefined : notHostNamespace('ipc')],
    ['hostPorts', hostPortsWithin(spec.hostPorts)],
    ['runAsUser', userQuestion(spec.runAsUser)],
    ['runAsGroup', groupQuestion(spec.runAsGroup, context.runAsGroup ?? runAsGroup)],
    ['supplementalGroups', groupsQuestion(supplementalGroups, spec.supplementalGroups)],
    ['fsGroup', groupsQuestion(fsGroup === undefined ? [] : [fsGroup], spec.fsGroup)],
    ['requiredDropCapabilities', dropQuestion(spec)],
    ['allowedCapabilities', context.privileged ? undefined : allowedQuestion(spec)],
    ['readOnlyRootFilesystem', spec.readOnlyRootFilesystem ? READ_ONLY_ROOT : undefined],
    ['allowPrivilegeEscalation', spec.allowPrivilegeEscalation ? undefined : NO_NEW_PRIVILEGES],
    [
      'allowedProcMountTypes',
      spec.allowedProcMountTypes.includes('Unmasked') || context.privileged ? undefined : PROC_PROTECTED,
    ],
    ['seccomp', isFilterPromised(metadata.annotations) ? SECCOMP : undefined],
  ];
}

/** Whether each profile that a policy allows is a filter. */
function isFilterPromised(annotations: Readonly<Record<string, string>>): boolean {
  const allowed = annotations[ALLOWED_SECCOMP]?.split(',');
  return allowed !== undefined && !allowed.some(name => name === ANY_SECCOMP || name === UNCONFINED);
}

type CapabilityLists = Pick<
  DefaultedPolicy['spec'],
  'allowedCapabilities' | 'defaultAddCapabilities' | 'requiredDropCapabilities'
>;

/** A privileged container has what it was to drop: that is not kept from whoever asks. */
function dropQuestion(spec: CapabilityLists): Question | undefined {
  const { requiredDropCapabilities: drop } = spec;
  if (hasAll(drop)) {
    const kept = kernelNames([...spec.allowedCapabilities, ...spec.defaultAddCapabilities]);
    const names = kept.map(name => name.replace('CAP_', '')).join(' ');
    return capabilitiesWithin(kept, kept.length === 0 ? 'no capability' : `no capability but ${names}`);
  }
  const names = kernelNames(drop);
  return names.length === 0 ? undefined : capabilitiesWithout(names);
}

function allowedQuestion({
  allowedCapabilities,
  defaultAddCapabilities,
}: CapabilityLists): Question | undefined {
  const addable = [...allowedCapabilities, ...defaultAddCapabilities];
  if (allowedCapabilities.includes(ALL_CAPABILITIES) || hasAll(addable)) return undefined;
  return capabilitiesWithin(
    [...DEFAULT_CAPABILITIES, ...kernelNames(addable)],
    'no capability beyond the default set and what the policy allows',
  );
}

function userQuestion({ rule, ranges = [] }: DefaultedPolicy['spec']['runAsUser']): Question | undefined {
  if (rule === 'MustRunAsNonRoot') return NOT_ROOT;
  if (rule !== 'MustRunAs') return undefined;
  return ofProcesses(
    `user in ${rangesText(ranges)}`,
    ({ uids }) => `user ${uids.join('/')}`,
    ({ uids }) => uids.every(uid => inRanges(uid, ranges)),
  );
}

/** A container that asks for no group, as MayRunAs lets it, has the image's. */
function groupQuestion(
  strategy: DefaultedPolicy['spec']['runAsGroup'],
  asked: number | undefined,
): Question | undefined {
  if (strategy === undefined || strategy.rule === 'RunAsAny' || asked === undefined) return undefined;
  const { ranges = [] } = strategy;
  return ofProcesses(
    `group in ${rangesText(ranges)}`,
    ({ gids }) => `group ${gids.join('/')}`,
    ({ gids }) => gids.every(gid => inRanges(gid, ranges)),
  );
}

/** Groups of the image's /etc/group and the primary one come on top: the policy is about what the pod asks for. */
function groupsQuestion(
  asked: readonly number[],
  { rule, ranges = [] }: { readonly rule?: string; readonly ranges?: readonly IDRange[] },
): Question | undefined {
  if (rule === 'RunAsAny' || asked.length === 0) return undefined;
  return ofProcesses(
    `${asked.length === 1 ? 'group' : 'groups'} ${asked.join(' ')}, in ${rangesText(ranges)}`,
    ({ groups }) => (groups.length === 0 ? 'no group' : `groups ${groups.join(' ')}`),
    ({ groups }) => asked.every(gid => groups.includes(gid) && inRanges(gid, ranges)),
  );
}

/** Asks the kernel about each rule of the policy that let a pod in. */
export function verifyPolicy(policy: DefaultedPolicy, pod: Pod, facts: ContainerFacts): readonly Verified[] {
  return questionsOf(policy, pod, containerOf(pod, facts.name)).flatMap(([field, question]) =>
    question === undefined
      ? []
      : [ask(`PodSecurityPolicy/${policy.metadata.name} ${field}`, question, facts)],
  );
}
