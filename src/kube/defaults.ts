import { formatQuantity } from './quantity-order.ts';
import { aggregateContainers, isPodLevelResource } from './resources.ts';
import type {
  Container,
  ContainerPort,
  DownwardAPIProjection,
  Lifecycle,
  Pod,
  PodSpec,
  Probe,
  Volume,
} from './types.generated.ts';

type Resources = NonNullable<Container['resources']>;

/** What a container may use up to is what it asks for, unless it says so (SetDefaults_Pod). */
function defaultRequests<T extends { readonly resources?: Resources }>(holder: T): T {
  const { resources } = holder;
  if (resources?.limits === undefined) return holder;
  return { ...holder, resources: { ...resources, requests: { ...resources.limits, ...resources.requests } } };
}

/** Of the pod as a whole: what its containers ask for together, else its limit. */
function defaultPodRequests(spec: PodSpec): PodSpec {
  if (spec.resources === undefined) return spec;
  const aggregate = [...aggregateContainers(spec, 'requests')]
    .filter(([name]) => isPodLevelResource(name))
    .map(([name, nanos]) => [name, formatQuantity({ nanos, format: formatOf(name) })] as const);
  const requests = { ...spec.resources.limits, ...Object.fromEntries(aggregate), ...spec.resources.requests };
  return { ...spec, resources: { ...spec.resources, requests } };
}

const formatOf = (name: string): 'decimal' | 'binary' => (name === 'cpu' ? 'decimal' : 'binary');

/** The API server's defaulting (pkg/apis/core/v1/defaults.go) of a Pod; nothing that is set is changed. */
export function setDefaults(pod: Pod): Pod {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const hostNetwork = spec.hostNetwork === true;
  return {
    ...pod,
    metadata: { ...pod.metadata, namespace: pod.metadata?.namespace || 'default' },
    spec: defaultPodRequests({
      ...spec,
      restartPolicy: spec.restartPolicy || 'Always',
      dnsPolicy: spec.dnsPolicy || 'ClusterFirst',
      terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
      enableServiceLinks: spec.enableServiceLinks ?? true,
      schedulerName: spec.schedulerName || 'default-scheduler',
      serviceAccountName: spec.serviceAccountName || spec.serviceAccount || 'default',
      securityContext: spec.securityContext ?? {},
      containers: (spec.containers ?? []).map(container => defaultContainer(container, hostNetwork)),
      ...(spec.initContainers === undefined
        ? {}
        : { initContainers: spec.initContainers.map(container => defaultContainer(container, hostNetwork)) }),
      ...(spec.volumes === undefined ? {} : { volumes: spec.volumes.map(defaultVolume) }),
    }),
  };
}

function defaultContainer(container: Container, hostNetwork: boolean): Container {
  const probe = (name: 'livenessProbe' | 'readinessProbe' | 'startupProbe'): Partial<Container> => {
    const value = container[name];
    return value === undefined ? {} : { [name]: defaultProbe(value) };
  };
  return {
    ...defaultRequests(container),
    imagePullPolicy:
      container.imagePullPolicy || (isLatest(container.image ?? '') ? 'Always' : 'IfNotPresent'),
    terminationMessagePath: container.terminationMessagePath || '/dev/termination-log',
    terminationMessagePolicy: container.terminationMessagePolicy || 'File',
    ...(container.ports === undefined
      ? {}
      : { ports: container.ports.map(port => defaultPort(port, hostNetwork)) }),
    ...(container.env === undefined ? {} : { env: container.env.map(defaultFieldRef) }),
    ...probe('livenessProbe'),
    ...probe('readinessProbe'),
    ...probe('startupProbe'),
    ...(container.lifecycle === undefined ? {} : { lifecycle: defaultLifecycle(container.lifecycle) }),
  };
}

function isLatest(image: string): boolean {
  if (image.includes('@')) return false;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  return tag === undefined || tag === 'latest';
}

/** With the host's network a container's port is the host's: it is filled in before admission looks at it. */
function defaultPort(port: ContainerPort, hostNetwork: boolean): ContainerPort {
  const hostPort = hostNetwork && (port.hostPort ?? 0) === 0 ? { hostPort: port.containerPort } : {};
  return { ...port, protocol: port.protocol || 'TCP', ...hostPort };
}

function defaultFieldRef<T extends NonNullable<Container['env']>[number]>(variable: T): T {
  const fieldRef = variable.valueFrom?.fieldRef;
  if (fieldRef === undefined || fieldRef.apiVersion) return variable;
  return { ...variable, valueFrom: { ...variable.valueFrom, fieldRef: { ...fieldRef, apiVersion: 'v1' } } };
}

function defaultProbe(probe: Probe): Probe {
  return {
    ...defaultHandler(probe),
    timeoutSeconds: probe.timeoutSeconds || 1,
    periodSeconds: probe.periodSeconds || 10,
    successThreshold: probe.successThreshold || 1,
    failureThreshold: probe.failureThreshold || 3,
    ...(probe.grpc === undefined ? {} : { grpc: { ...probe.grpc, service: probe.grpc.service ?? '' } }),
  };
}

/** Of probes and hooks alike. */
function defaultHandler<T extends Pick<Probe, 'httpGet'>>(handler: T): T {
  const { httpGet } = handler;
  if (httpGet === undefined) return handler;
  return { ...handler, httpGet: { ...httpGet, path: httpGet.path || '/', scheme: httpGet.scheme || 'HTTP' } };
}

function defaultLifecycle(lifecycle: Lifecycle): Lifecycle {
  const { postStart, preStop } = lifecycle;
  return {
    ...lifecycle,
    ...(postStart === undefined ? {} : { postStart: defaultHandler(postStart) }),
    ...(preStop === undefined ? {} : { preStop: defaultHandler(preStop) }),
  };
}

const DEFAULT_MODE = 0o644;

/** A volume of which only the name is given is an emptyDir (SetDefaults_Volume). */
function defaultVolume(volume: Volume): Volume {
  const { name: _name, ...sources } = volume;
  if (Object.keys(sources).length === 0) return { ...volume, emptyDir: {} };
  if (volume.hostPath !== undefined)
    return { ...volume, hostPath: { ...volume.hostPath, type: volume.hostPath.type ?? '' } };
  if (volume.downwardAPI !== undefined)
    return { ...volume, downwardAPI: withItems(withMode(volume.downwardAPI)) };
  if (volume.projected !== undefined) {
    const { sources, ...projected } = withMode(volume.projected);
    const all = sources?.map(source =>
      source.downwardAPI === undefined ? source : { ...source, downwardAPI: withItems(source.downwardAPI) },
    );
    return { ...volume, projected: { ...projected, ...(all === undefined ? {} : { sources: all }) } };
  }
  if (volume.image !== undefined) {
    const { reference = '', pullPolicy } = volume.image;
    const policy = pullPolicy || (isLatest(reference) ? 'Always' : 'IfNotPresent');
    return { ...volume, image: { ...volume.image, pullPolicy: policy } };
  }
  if (volume.configMap !== undefined) return { ...volume, configMap: withMode(volume.configMap) };
  if (volume.secret !== undefined) return { ...volume, secret: withMode(volume.secret) };
  return volume;
}

const withMode = <T extends { readonly defaultMode?: number }>(source: T): T => ({
  ...source,
  defaultMode: source.defaultMode ?? DEFAULT_MODE,
});

/** SetDefaults_ObjectFieldSelector. */
function withItems<T extends DownwardAPIProjection>(source: T): T {
  const items = source.items?.map(item =>
    item.fieldRef === undefined || item.fieldRef.apiVersion
      ? item
      : { ...item, fieldRef: { ...item.fieldRef, apiVersion: 'v1' } },
  );
  return items === undefined ? source : { ...source, items };
}
