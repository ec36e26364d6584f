import { formatSelector } from '../../../kube/label-selector.ts';
import { qosClass } from '../../../kube/resources.ts';
import type { Container, Pod, Toleration, TopologySpreadConstraint } from '../../../kube/types.generated.ts';
import { age } from '../age.ts';
import { NONE } from '../row.ts';
import { containerLines, resourceLines } from './containers.ts';
import { eventLines } from './events.ts';
import {
  annotationLines,
  field,
  formatTime,
  labelLines,
  line,
  multiline,
  optional,
  type Related,
} from './lines.ts';
import { volumeLines } from './volumes.ts';

/** `describe pod`: kubectl's parts in kubectl's order. */
export function describePod(pod: Pod, { events }: Related, now: number): readonly string[] {
  const { metadata = {}, spec = { containers: [] }, status = {} } = pod;
  const { seccompProfile } = spec.securityContext ?? {};
  const controller = metadata.ownerReferences?.find(owner => owner.controller === true);
  const { ephemeralContainers = [], initContainers = [] } = spec;
  return [
    field('Name', metadata.name ?? ''),
    field('Namespace', metadata.namespace ?? ''),
    ...optional('Priority', spec.priority),
    ...optional('Priority Class Name', spec.priorityClassName),
    ...optional('Runtime Class Name', spec.runtimeClassName),
    ...optional('Service Account', spec.serviceAccountName),
    field('Node', (spec.nodeName ?? '') === '' ? NONE : `${spec.nodeName}/${status.hostIP ?? ''}`),
    ...(status.startTime === undefined ? [] : [field('Start Time', formatTime(status.startTime))]),
    ...labelLines('Labels', metadata.labels),
    ...annotationLines(metadata.annotations),
    ...phaseLines(pod, now),
    ...optional('Reason', status.reason),
    ...optional('Message', status.message),
    ...optional('SeccompProfile', seccompProfile?.type),
    ...optional('LocalhostProfile', seccompProfile?.localhostProfile),
    field('IP', status.podIP ?? ''),
    ...addressLines(pod),
    ...(controller === undefined ? [] : [field('Controlled By', `${controller.kind}/${controller.name}`)]),
    ...optional('NominatedNodeName', status.nominatedNodeName),
    ...(spec.resources === undefined ? [] : ['Resources:', ...resourceLines(spec.resources, 1)]),
    ...(initContainers.length === 0
      ? []
      : containerLines('Init Containers', pod, initContainers, status.initContainerStatuses)),
    ...containerLines('Containers', pod, spec.containers, status.containerStatuses),
    ...(ephemeralContainers.length === 0
      ? []
      : containerLines(
          'Ephemeral Containers',
          pod,
          ephemeralContainers as readonly Container[],
          status.ephemeralContainerStatuses,
        )),
    ...gateLines(pod),
    ...conditionLines(pod),
    ...volumeLines(spec.volumes),
    field('QoS Class', status.qosClass ?? qosClass(pod)),
    ...labelLines('Node-Selectors', spec.nodeSelector),
    ...multiline('Tolerations', tolerations(spec.tolerations)),
    ...spreadLines(spec.topologySpreadConstraints),
    ...eventLines(events, now),
  ];
}

function phaseLines({ metadata = {}, status = {} }: Pod, now: number): readonly string[] {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata;
  if (deletionTimestamp === undefined || ['Failed', 'Succeeded'].includes(status.phase ?? ''))
    return [field('Status', status.phase ?? '')];
  return [
    field('Status', `Terminating (lasts ${age(deletionTimestamp, now)})`),
    field('Termination Grace Period', `${deletionGracePeriodSeconds}s`),
  ];
}

function addressLines({ status: { podIPs = [] } = {} }: Pod): readonly string[] {
  if (podIPs.length === 0) return [field('IPs', NONE)];
  return ['IPs:', ...podIPs.map(({ ip }) => field('IP', ip, 1))];
}

function gateLines({ spec, status }: Pod): readonly string[] {
  const gates = spec?.readinessGates ?? [];
  if (gates.length === 0) return [];
  const stateOf = (type: string): string =>
    status?.conditions?.find(condition => condition.type === type)?.status ?? NONE;
  return [
    'Readiness Gates:',
    line('Type\tStatus', 1),
    ...gates.map(({ conditionType }) => line(`${conditionType} \t${stateOf(conditionType)} `, 1)),
  ];
}

function conditionLines({ status }: Pod): readonly string[] {
  const conditions = status?.conditions ?? [];
  if (conditions.length === 0) return [];
  const rows = conditions.map(condition => line(`${condition.type} \t${condition.status} `, 1));
  return ['Conditions:', line('Type\tStatus', 1), ...rows];
}

function tolerations(list: readonly Toleration[] = []): readonly string[] {
  const order = ({ key = '' }: Toleration): string => key;
  return [...list]
    .sort((one, other) => (order(one) < order(other) ? -1 : order(one) > order(other) ? 1 : 0))
    .map(({ key = '', value = '', effect = '', operator, tolerationSeconds }) => {
      const what = `${key}${value === '' ? '' : `=${value}`}${effect === '' ? '' : `:${effect}`}`;
      const exists = operator === 'Exists' && value === '' ? 'op=Exists' : '';
      const time = tolerationSeconds === undefined ? '' : ` for ${tolerationSeconds}s`;
      return `${[what, exists].filter(part => part !== '').join(' ')}${time}`;
    });
}

function spreadLines(constraints: readonly TopologySpreadConstraint[] = []): readonly string[] {
  if (constraints.length === 0) return [];
  const texts = [...constraints]
    .sort((one, other) => (one.topologyKey < other.topologyKey ? -1 : 1))
    .map(({ topologyKey, whenUnsatisfiable, maxSkew, labelSelector }) => {
      const selector =
        labelSelector === undefined ? '' : ` for selector ${formatSelector(labelSelector) || NONE}`;
      return `${topologyKey}:${whenUnsatisfiable} when max skew ${maxSkew} is exceeded${selector}`;
    });
  return multiline('Topology Spread Constraints', texts);
}
