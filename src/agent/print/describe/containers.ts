import { quote } from '../../../base/go-quote.ts';
import { fieldValue } from '../../../kube/environment.ts';
import { resourceField } from '../../../kube/resources.ts';
import type {
  Container,
  ContainerState,
  ContainerStatus,
  EnvFromSource,
  EnvVar,
  Pod,
  Probe,
  ResourceRequirements,
} from '../../../kube/types.generated.ts';
import { NONE } from '../row.ts';
import { field, formatBoolean, formatTime, goList, line, optional } from './lines.ts';

/** One group of a pod's containers, each with what is known of its state. */
export function containerLines(
  label: string,
  pod: Pod,
  containers: readonly Container[],
  statuses: readonly ContainerStatus[] = [],
): readonly string[] {
  if (containers.length === 0) return [`${label}: ${NONE}`];
  return [
    `${label}:`,
    ...containers.flatMap(container =>
      oneContainer(
        pod,
        container,
        statuses.find(({ name }) => name === container.name),
      ),
    ),
  ];
}

function oneContainer(
  pod: Pod,
  container: Container,
  status: ContainerStatus | undefined,
): readonly string[] {
  const { securityContext: { seccompProfile } = {} } = container;
  return [
    line(`${container.name}:`, 1),
    ...(status === undefined ? [] : [field('Container ID', status.containerID ?? '', 2)]),
    field('Image', container.image ?? '', 2),
    ...(status === undefined ? [] : [field('Image ID', status.imageID, 2)]),
    portLine(
      'Port',
      (container.ports ?? []).map(({ containerPort, protocol }) => `${containerPort}/${protocol ?? 'TCP'}`),
    ),
    portLine(
      'Host Port',
      (container.ports ?? []).map(({ hostPort = 0, protocol }) => `${hostPort}/${protocol ?? 'TCP'}`),
    ),
    ...optional('SeccompProfile', seccompProfile?.type, 2),
    ...optional('LocalhostProfile', seccompProfile?.localhostProfile, 3),
    ...wordLines('Command', container.command),
    ...wordLines('Args', container.args),
    ...(status === undefined ? [] : statusLines(status)),
    ...resourceLines(container.resources, 2),
    ...probeLine('Liveness', container.livenessProbe),
    ...probeLine('Readiness', container.readinessProbe),
    ...probeLine('Startup', container.startupProbe),
    ...sourceLines(container.envFrom),
    ...environmentLines(pod, container),
    ...mountLines(container),
  ];
}

const portLine = (name: string, ports: readonly string[]): string =>
  field(ports.length > 1 ? `${name}s` : name, ports.join(', ') || NONE, 2);

function wordLines(name: string, words: readonly string[] = []): readonly string[] {
  if (words.length === 0) return [];
  return [line(`${name}:`, 2), ...words.flatMap(word => word.split('\n').map(part => line(part, 3)))];
}

function statusLines(status: ContainerStatus): readonly string[] {
  return [
    ...stateLines('State', status.state),
    ...(status.lastState?.terminated === undefined ? [] : stateLines('Last State', status.lastState)),
    field('Ready', formatBoolean(status.ready), 2),
    field('Restart Count', status.restartCount, 2),
  ];
}

function stateLines(name: string, { running, waiting, terminated }: ContainerState = {}): readonly string[] {
  if (running !== undefined)
    return [field(name, 'Running', 2), field('Started', formatTime(running.startedAt), 3)];
  if (waiting !== undefined || terminated === undefined)
    return [field(name, 'Waiting', 2), ...optional('Reason', waiting?.reason, 3)];
  return [
    field(name, 'Terminated', 2),
    ...optional('Reason', terminated.reason, 3),
    ...optional('Message', terminated.message, 3),
    field('Exit Code', terminated.exitCode, 3),
    ...optional('Signal', terminated.signal || undefined, 3),
    field('Started', formatTime(terminated.startedAt), 3),
    field('Finished', formatTime(terminated.finishedAt), 3),
  ];
}

/** Limits and requests; also of a whole pod. */
export function resourceLines(
  { limits = {}, requests = {} }: ResourceRequirements = {},
  level: number,
): readonly string[] {
  const lists = { Limits: limits, Requests: requests };
  return Object.entries(lists).flatMap(([name, list]) => {
    const names = Object.keys(list).sort();
    const lines = names.map(resource => field(resource, list[resource] ?? '', level + 1));
    return lines.length === 0 ? [] : [line(`${name}:`, level), ...lines];
  });
}

const probeLine = (name: string, probe: Probe | undefined): readonly string[] =>
  probe === undefined ? [] : [field(name, formatProbe(probe), 2)];

/** `http-get http://:8080/ready delay=0s timeout=1s period=10s #success=1 #failure=3` (DescribeProbe). */
export function formatProbe(probe: Probe): string {
  const { initialDelaySeconds: delay = 0, timeoutSeconds: timeout = 1, periodSeconds: period = 10 } = probe;
  const { successThreshold: success = 1, failureThreshold: failure = 3 } = probe;
  const settings = `delay=${delay}s timeout=${timeout}s period=${period}s #success=${success} #failure=${failure}`;
  return `${handlerOf(probe)} ${settings}`;
}

function handlerOf({ exec, httpGet, tcpSocket, grpc }: Probe): string {
  if (exec !== undefined) return `exec ${goList(exec.command)}`;
  if (httpGet !== undefined) {
    const { scheme = 'HTTP', host = '', port, path = '/' } = httpGet;
    const name = host.includes(':') ? `[${host}]` : host;
    const absolute = path.startsWith('/') ? path : `/${path}`;
    return `http-get ${scheme.toLowerCase()}://${name}:${port}${absolute.replaceAll('?', '%3F')}`;
  }
  if (tcpSocket !== undefined) return `tcp-socket ${tcpSocket.host ?? ''}:${tcpSocket.port}`;
  if (grpc !== undefined) return `grpc <pod>:${grpc.port} ${grpc.service ?? ''}`;
  return 'unknown';
}

function sourceLines(sources: readonly EnvFromSource[] = []): readonly string[] {
  if (sources.length === 0) return [];
  const lines = sources.map(({ configMapRef, secretRef, prefix = '' }) => {
    const kind = configMapRef === undefined ? 'Secret' : 'ConfigMap';
    const { name = '', optional: isOptional = false } = configMapRef ?? secretRef ?? {};
    const what = prefix === '' ? kind : `${kind} with prefix '${prefix}'`;
    return line(`${name}\t${what}\tOptional: ${isOptional}`, 3);
  });
  return [line('Environment Variables from:', 2), ...lines];
}

function environmentLines(pod: Pod, container: Container): readonly string[] {
  const { env = [] } = container;
  if (env.length === 0) return [field('Environment', NONE, 2)];
  return [line('Environment:', 2), ...env.flatMap(variable => variableLines(pod, container, variable))];
}

function variableLines(
  pod: Pod,
  container: Container,
  { name, value = '', valueFrom }: EnvVar,
): readonly string[] {
  if (valueFrom === undefined) {
    const [first = '', ...others] = value.split('\n');
    return [field(name, first, 3), ...others.map(part => line(`\t${part}`, 3))];
  }
  const { fieldRef, resourceFieldRef, secretKeyRef, configMapKeyRef } = valueFrom;
  if (fieldRef !== undefined) {
    const { apiVersion = 'v1', fieldPath } = fieldRef;
    return [field(name, `${podField(pod, fieldPath)} (${apiVersion}:${fieldPath})`, 3)];
  }
  if (resourceFieldRef !== undefined) {
    const { resource, divisor } = resourceFieldRef;
    const found = resourceField(container, resource, divisor, { cpus: 0, memory: 0 });
    const isUnlimited = found === '0' && ['limits.cpu', 'limits.memory'].includes(resource);
    return [field(name, `${isUnlimited ? 'node allocatable' : found} (${resource})`, 3)];
  }
  if (secretKeyRef !== undefined) {
    const { key, name: secret = '', optional: isOptional = false } = secretKeyRef;
    return [field(name, `<set to the key '${key}' in secret '${secret}'>\tOptional: ${isOptional}`, 3)];
  }
  if (configMapKeyRef === undefined) return [];
  const { key, name: map = '', optional: isOptional = false } = configMapKeyRef;
  return [field(name, `<set to the key '${key}' of config map '${map}'>\tOptional: ${isOptional}`, 3)];
}

/** What the metadata of the pod says; kubectl looks no further. */
function podField(pod: Pod, path: string): string {
  if (!path.startsWith('metadata.')) return '';
  try {
    const nothing = { podIPs: [], hostIP: '', nodeName: '', capacity: { cpus: 0, memory: 0 } };
    return fieldValue(pod, path, nothing);
  } catch {
    return '';
  }
}

const byPath = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0);

function mountLines({ volumeMounts = [], volumeDevices = [] }: Container): readonly string[] {
  const mounts = [...volumeMounts]
    .sort((one, other) => byPath(one.mountPath, other.mountPath))
    .map(({ mountPath, name, readOnly = false, subPath = '' }) => {
      const flags = [readOnly ? 'ro' : 'rw', ...(subPath === '' ? [] : [`path=${quote(subPath)}`])];
      return line(`${mountPath} from ${name} (${flags.join(',')})`, 3);
    });
  const devices = [...volumeDevices]
    .sort((one, other) => byPath(one.devicePath, other.devicePath))
    .map(({ devicePath, name }) => line(`${devicePath} from ${name}`, 3));
  return [
    ...(mounts.length === 0 ? [field('Mounts', NONE, 2)] : [line('Mounts:', 2), ...mounts]),
    ...(devices.length === 0 ? [] : [line('Devices:', 2), ...devices]),
  ];
}
