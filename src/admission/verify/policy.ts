import type { IDRange, Pod } from '../../kube/types.generated.ts';
import { type CapabilityName, DEFAULT_CAPABILITIES, isCapability } from '../../linux/capabilities.ts';
import type { DefaultedPolicy } from '../pod-security-policy/policy.ts';
import { ALLOWED_SECCOMP } from '../pod-security-policy/seccomp.ts';
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
const kernelNames = (names: readonly string[]): readonly CapabilityName[] =>
  names.map(name => `CAP_${name.toUpperCase()}`).filter(isCapability);

/** The rules of a policy that the kernel can be asked about, by the policy's field. */
function questionsOf(
  { spec, metadata }: DefaultedPolicy,
  pod: Pod,
): readonly (readonly [field: string, question: Question | undefined])[] {
  const { fsGroup, supplementalGroups = [] } = pod.spec?.securityContext ?? {};
  const allowedSeccomp = metadata.annotations[ALLOWED_SECCOMP]?.split(',');
  const isFiltered =
    allowedSeccomp !== undefined && !allowedSeccomp.some(name => /^(\*|unconfined)$/.test(name.trim()));
  return [
    ['privileged', spec.privileged ? undefined : NOT_PRIVILEGED],
    ['hostNetwork', spec.hostNetwork ? undefined : notHostNamespace('network')],
    ['hostPID', spec.hostPID ? undefined : notHostNamespace('pid')],
    ['hostIPC', spec.hostIPC ? undefined : notHostNamespace('ipc')],
    ['hostPorts', hostPortsWithin(spec.hostPorts)],
    ['runAsUser', userQuestion(spec.runAsUser)],
    ['runAsGroup', groupQuestion(spec.runAsGroup)],
    ['supplementalGroups', groupsQuestion(supplementalGroups, spec.supplementalGroups)],
    ['fsGroup', groupsQuestion(fsGroup === undefined ? [] : [fsGroup], spec.fsGroup)],
    [
      'requiredDropCapabilities',
      spec.requiredDropCapabilities.length === 0
        ? undefined
        : capabilitiesWithout(kernelNames(spec.requiredDropCapabilities)),
    ],
    [
      'allowedCapabilities',
      spec.allowedCapabilities.includes('*') || spec.privileged
        ? undefined
        : capabilitiesWithin(
            [
              ...DEFAULT_CAPABILITIES,
              ...kernelNames([...spec.allowedCapabilities, ...spec.defaultAddCapabilities]),
            ],
            'no capability beyond the default set and what the policy allows',
          ),
    ],
    ['readOnlyRootFilesystem', spec.readOnlyRootFilesystem ? READ_ONLY_ROOT : undefined],
    ['allowPrivilegeEscalation', spec.allowPrivilegeEscalation ? undefined : NO_NEW_PRIVILEGES],
    [
      'allowedProcMountTypes',
      spec.allowedProcMountTypes.length > 0 || spec.privileged ? undefined : PROC_PROTECTED,
    ],
    ['seccomp', isFiltered ? SECCOMP : undefined],
  ];
}

function userQuestion({ rule, ranges = [] }: DefaultedPolicy['spec']['runAsUser']): Question | undefined {
  if (rule === 'MustRunAsNonRoot') return NOT_ROOT;
  if (rule !== 'MustRunAs') return undefined;
  return ofProcesses(
    `user in ${rangesText(ranges)}`,
    ({ uid }) => `user ${uid}`,
    ({ uid }) => inRanges(uid, ranges),
  );
}

function groupQuestion(strategy: DefaultedPolicy['spec']['runAsGroup']): Question | undefined {
  if (strategy?.rule !== 'MustRunAs') return undefined;
  const { ranges = [] } = strategy;
  return ofProcesses(
    `group in ${rangesText(ranges)}`,
    ({ gid }) => `group ${gid}`,
    ({ gid }) => inRanges(gid, ranges),
  );
}

/** Groups of the image's /etc/group and the primary one come on top: the policy is about what the pod asks for. */
function groupsQuestion(
  asked: readonly number[],
  { rule, ranges = [] }: { readonly rule?: string; readonly ranges?: readonly IDRange[] },
): Question | undefined {
  if (rule !== 'MustRunAs' || asked.length === 0) return undefined;
  return ofProcesses(
    `group ${asked.join(', ')}, in ${rangesText(ranges)}`,
    ({ groups }) => `groups ${groups.join(' ')}`,
    ({ groups }) => asked.every(gid => groups.includes(gid) && inRanges(gid, ranges)),
  );
}

/** Asks the kernel about each rule of the policy that let a pod in. */
export function verifyPolicy(policy: DefaultedPolicy, pod: Pod, facts: ContainerFacts): readonly Verified[] {
  return questionsOf(policy, pod).flatMap(([field, question]) =>
    question === undefined
      ? []
      : [ask(`PodSecurityPolicy/${policy.metadata.name} ${field}`, question, facts)],
  );
}
