import type { HTTPGetAction, TCPSocketAction } from '../../../kube/types.generated.ts';
import { type Check, type CheckPod, verdict } from '../check.ts';
import { type AnyContainer, containersOf, offenders, settersWhere } from '../containers.ts';
import { distinct, joinQuote, using } from '../words.ts';

const HOST_NAMESPACES = ['hostNetwork', 'hostPID', 'hostIPC'] as const;

const checkHostNamespaces: CheckPod = (_, spec) => {
  const shared = HOST_NAMESPACES.filter(field => spec[field] === true).map(field => `${field}=true`);
  return verdict('host namespaces', shared.length === 0 ? undefined : shared.join(', '));
};

/** spec.hostNetwork, hostPID, hostIPC: undefined or false. */
export const hostNamespaces: Check = {
  id: 'hostNamespaces',
  level: 'baseline',
  versions: [{ since: 0, check: checkHostNamespaces }],
};

const hostPortsOf = ({ ports = [] }: AnyContainer): readonly string[] =>
  ports.flatMap(({ hostPort = 0 }) => (hostPort === 0 ? [] : String(hostPort)));

const checkHostPorts: CheckPod = (_, spec) => {
  const bad = offenders(containersOf(spec), hostPortsOf);
  return verdict(
    'hostPort',
    bad && `${using('container', bad.names, 'hostPort', bad.values.length)} ${bad.values.join(', ')}`,
  );
};

/** ports[].hostPort of a container: undefined or 0. With hostNetwork the API server fills it in beforehand. */
export const hostPorts: Check = {
  id: 'hostPorts',
  level: 'baseline',
  versions: [{ since: 0, check: checkHostPorts }],
};

interface Handler {
  readonly httpGet?: HTTPGetAction;
  readonly tcpSocket?: TCPSocketAction;
}

function hostsOf(container: AnyContainer): readonly string[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const probes: readonly (Handler | undefined)[] = [livenessProbe, readinessProbe, startupProbe];
  return [...probes, lifecycle?.postStart, lifecycle?.preStop]
    .flatMap(handler => [handler?.httpGet?.host ?? '', handler?.tcpSocket?.host ?? ''])
    .filter(host => host !== '');
}

const checkHostProbes: CheckPod = (_, spec) => {
  const reason = 'probe or lifecycle host';
  const bad = offenders(containersOf(spec), hostsOf);
  if (bad === undefined) return verdict(reason, undefined);
  // Here, unlike elsewhere, the containers too are a set.
  const detail = using('container', distinct(bad.names), reason, bad.values.length);
  return verdict(reason, `${detail} ${joinQuote(bad.values)}`);
};

/** The host that a probe or a lifecycle hook connects to: undefined or empty, so that it is the pod itself. */
export const hostProbesAndHostLifecycle: Check = {
  id: 'hostProbesAndHostLifecycle',
  level: 'baseline',
  versions: [{ since: 34, check: checkHostProbes }],
};

const checkHostProcess: CheckPod = (_, spec) => {
  const setters = settersWhere(spec, ({ windowsOptions }) => windowsOptions?.hostProcess === true);
  return verdict(
    'hostProcess',
    setters && `${setters} must not set securityContext.windowsOptions.hostProcess=true`,
  );
};

/** securityContext.windowsOptions.hostProcess of pod and containers: undefined or false. */
export const windowsHostProcess: Check = {
  id: 'windowsHostProcess',
  level: 'baseline',
  versions: [{ since: 0, check: checkHostProcess }],
};
