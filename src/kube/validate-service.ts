import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts';
import { cidrErrors, ipErrors, specialIpErrors } from './ip-fields.ts';
import { labelErrors, portNameErrors, portNumberErrors, subdomainErrors } from './names.ts';
import { qualifiedNameErrors } from './qualified-names.ts';
import type { Service, ServicePort, ServiceSpec } from './types.generated.ts';
import { isHeadless, validateClusterIps } from './validate-cluster-ips.ts';
import { validateLabels, validateObjectMeta } from './validate-metadata.ts';

/** core.MaxClientIPServiceAffinitySeconds: a day. */
const MAX_AFFINITY = 86400;
/** core.DefaultClientIPServiceAffinitySeconds: three hours. */
const DEFAULT_AFFINITY = 10800;

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const AFFINITIES = ['ClientIP', 'None'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const TRAFFIC_POLICIES = ['Cluster', 'Local'];
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];

/** Whether a Service is for clients outside of the cluster too (ExternallyAccessible). */
export function isExternallyAccessible({ type, externalIPs = [] }: ServiceSpec): boolean {
  return type === 'LoadBalancer' || type === 'NodePort' || (type === 'ClusterIP' && externalIPs.length > 0);
}

/** The API server's defaulting (pkg/apis/core/v1/defaults.go), and clusterIPs as its strategy fills them in. */
export function setServiceDefaults(service: Service): Service {
  const { sessionAffinityConfig, ...given } = service.spec ?? {};
  const type = given.type || 'ClusterIP';
  const sessionAffinity = given.sessionAffinity || 'None';
  const clientIP = sessionAffinityConfig?.clientIP;
  const timeoutSeconds = clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY;
  const spec: ServiceSpec = {
    ...given,
    type,
    sessionAffinity,
    // With no affinity it is dropped, not refused.
    ...(sessionAffinity === 'ClientIP' ? { sessionAffinityConfig: { clientIP: { timeoutSeconds } } } : {}),
    ...(given.ports === undefined ? {} : { ports: given.ports.map(defaultPort) }),
    ...(given.clusterIP && given.clusterIPs === undefined ? { clusterIPs: [given.clusterIP] } : {}),
  };
  return {
    ...service,
    metadata: { ...service.metadata, namespace: service.metadata?.namespace || 'default' },
    spec: {
      ...spec,
      ...(isExternallyAccessible(spec) && !spec.externalTrafficPolicy
        ? { externalTrafficPolicy: 'Cluster' }
        : {}),
      ...(type === 'ExternalName' ? {} : { internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster' }),
      ...(type === 'LoadBalancer'
        ? { allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true }
        : {}),
    },
  };
}

function defaultPort(port: ServicePort): ServicePort {
  return { ...port, protocol: port.protocol || 'TCP', targetPort: port.targetPort || port.port };
}

/** Every mistake of a defaulted Service, in the API server's words (ValidateServiceCreate, pkg/apis/core/validation). */
export function validateService({ metadata, spec = {} }: Service): readonly FieldError[] {
  const ports = spec.ports ?? [];
  return [
    // RelaxedServiceNameValidation, since 1.36: any DNS label.
    ...validateObjectMeta(metadata, labelErrors),
    ...(ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName'
      ? [required('spec.ports')]
      : []),
    ...validateType(spec),
    ...validatePorts(ports),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validateAffinity(spec),
    ...validateClusterIps(spec),
    ...(spec.externalIPs ?? []).flatMap((ip, i) => {
      const errors = ipErrors(ip);
      const details = errors.length > 0 ? errors : specialIpErrors(ip);
      return details.map(detail => invalid(`spec.externalIPs[${i}]`, ip, detail));
    }),
    ...(TYPES.includes(spec.type ?? '') ? [] : [notSupported('spec.type', spec.type, TYPES)]),
    ...validateDuplicates(spec),
    ...validateLoadBalancer(spec),
    ...validateTraffic(spec),
  ];
}

/** What each type excludes. */
function validateType({ type, externalName = '', ...spec }: ServiceSpec): readonly FieldError[] {
  if ((type === 'LoadBalancer' || type === 'NodePort') && isHeadless(spec))
    return [invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`)];
  if (type !== 'ExternalName') return [];
  const fields = [
    ['clusterIPs', (spec.clusterIPs ?? []).length > 0],
    ['ipFamilies', (spec.ipFamilies ?? []).length > 0],
    ['ipFamilyPolicy', spec.ipFamilyPolicy !== undefined],
  ] as const;
  const cname = externalName.replace(/\.$/, '');
  return [
    ...fields.flatMap(([field, isSet]) =>
      isSet ? [forbidden(`spec.${field}`, 'may not be set for ExternalName services')] : [],
    ),
    ...(cname === ''
      ? [required('spec.externalName')]
      : subdomainErrors(cname).map(detail => invalid('spec.externalName', cname, detail))),
  ];
}

function validatePorts(ports: readonly ServicePort[]): readonly FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((port, i) => {
    const path = `spec.ports[${i}]`;
    const { name = '', protocol = '', targetPort = port.port, appProtocol } = port;
    const errors: FieldError[] = [];
    if (name === '' && ports.length > 1) errors.push(required(`${path}.name`));
    if (name !== '') {
      errors.push(...labelErrors(name).map(detail => invalid(`${path}.name`, name, detail)));
      if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
      names.add(name);
    }
    errors.push(
      ...portNumberErrors(port.port ?? 0).map(detail => invalid(`${path}.port`, port.port ?? 0, detail)),
    );
    if (!PROTOCOLS.includes(protocol)) errors.push(notSupported(`${path}.protocol`, protocol, PROTOCOLS));
    const targetPath = `${path}.targetPort`;
    errors.push(
      ...(typeof targetPort === 'number' ? portNumberErrors(targetPort) : portNameErrors(targetPort)).map(
        detail => invalid(targetPath, targetPort, detail),
      ),
    );
    if (appProtocol !== undefined)
      errors.push(
        ...qualifiedNameErrors(appProtocol).map(detail =>
          invalid(`${path}.appProtocol`, appProtocol, detail),
        ),
      );
    return errors;
  });
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig }: ServiceSpec): readonly FieldError[] {
  if (!AFFINITIES.includes(sessionAffinity ?? ''))
    return [notSupported('spec.sessionAffinity', sessionAffinity, AFFINITIES)];
  const timeout = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (timeout === undefined || (timeout > 0 && timeout <= MAX_AFFINITY)) return [];
  const detail = `must be greater than 0 and less than ${MAX_AFFINITY}`;
  return [invalid('spec.sessionAffinityConfig.clientIP.timeoutSeconds', timeout, detail)];
}

/** A node port and a port can be there once for each protocol. */
function validateDuplicates({ type, ports = [] }: ServiceSpec): readonly FieldError[] {
  const repeated = (keyOf: (port: ServicePort) => string | undefined): readonly number[] => {
    const keys = ports.map(keyOf);
    return [...keys.keys()].filter(i => keys[i] !== undefined && keys.indexOf(keys[i]) < i);
  };
  const byNodePort = repeated(({ nodePort, protocol }) => (nodePort ? `${protocol}/${nodePort}` : undefined));
  const byPort = repeated(({ port, protocol }) => `${protocol}/${port}`);
  return [
    ...ports.flatMap(({ nodePort }, i) =>
      type === 'ClusterIP' && nodePort
        ? [forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'")]
        : [],
    ),
    ...byNodePort.map(i => duplicate(`spec.ports[${i}].nodePort`, ports[i]?.nodePort)),
    // The API server compares structs of its own, and prints one.
    ...byPort.map(i => {
      const { protocol = '', port = 0 } = ports[i] ?? {};
      const key = { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
      return duplicate(`spec.ports[${i}]`, key);
    }),
  ];
}

function validateLoadBalancer(spec: ServiceSpec): readonly FieldError[] {
  const { type, loadBalancerSourceRanges = [], loadBalancerClass } = spec;
  const detail = "may only be used when `type` is 'LoadBalancer'";
  const errors: FieldError[] = [];
  // With a capital letter: so it is in the API server.
  const path = 'spec.LoadBalancerSourceRanges';
  if (loadBalancerSourceRanges.length > 0 && type !== 'LoadBalancer') errors.push(forbidden(path, detail));
  for (const [i, range] of loadBalancerSourceRanges.entries())
    errors.push(...cidrErrors(range.trim()).map(text => invalid(`${path}[${i}]`, range.trim(), text)));
  if (spec.allocateLoadBalancerNodePorts !== undefined && type !== 'LoadBalancer')
    errors.push(forbidden('spec.allocateLoadBalancerNodePorts', detail));
  if (loadBalancerClass === undefined) return errors;
  return type === 'LoadBalancer'
    ? [
        ...errors,
        ...qualifiedNameErrors(loadBalancerClass).map(text =>
          invalid('spec.loadBalancerClass', loadBalancerClass, text),
        ),
      ]
    : [...errors, forbidden('spec.loadBalancerClass', detail)];
}

function validateTraffic(spec: ServiceSpec): readonly FieldError[] {
  const {
    externalTrafficPolicy = '',
    internalTrafficPolicy,
    trafficDistribution,
    healthCheckNodePort = 0,
  } = spec;
  const errors: FieldError[] = [];
  const path = 'spec.externalTrafficPolicy';
  if (!isExternallyAccessible(spec)) {
    if (externalTrafficPolicy !== '')
      errors.push(invalid(path, externalTrafficPolicy, 'may only be set for externally-accessible services'));
  } else if (!TRAFFIC_POLICIES.includes(externalTrafficPolicy))
    errors.push(notSupported(path, externalTrafficPolicy, TRAFFIC_POLICIES));
  const hasHealthCheck = spec.type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
  const details = hasHealthCheck
    ? portNumberErrors(healthCheckNodePort)
    : ["may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"];
  if (healthCheckNodePort !== 0)
    errors.push(...details.map(detail => invalid('spec.healthCheckNodePort', healthCheckNodePort, detail)));
  if (internalTrafficPolicy !== undefined && !TRAFFIC_POLICIES.includes(internalTrafficPolicy))
    errors.push(notSupported('spec.internalTrafficPolicy', internalTrafficPolicy, TRAFFIC_POLICIES));
  if (trafficDistribution !== undefined && !DISTRIBUTIONS.includes(trafficDistribution)) {
    const detail = `supported values: ${DISTRIBUTIONS.map(value => JSON.stringify(value)).join(', ')}`;
    errors.push({
      type: 'notSupported',
      path: 'spec.trafficDistribution',
      badValue: trafficDistribution,
      detail,
    });
  }
  return errors;
}
