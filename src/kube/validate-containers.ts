import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts';
import { envNameErrors, isIPAddress, labelErrors, portNameErrors } from './names.ts';
import type { Container, ContainerPort, EnvVar, PodSpec, Probe } from './types.generated.ts';
import { validateRestartPolicy } from './validate-restart.ts';
import { validateSecurityContext } from './validate-security.ts';
import { validateVolumeMounts } from './validate-volumes.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const MESSAGE_POLICIES = ['FallbackToLogsOnError', 'File'];
const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const;
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;

/** Init containers and containers: names are one set, host ports are looked at together. */
export function validateContainers(spec: PodSpec, volumes: ReadonlySet<string>): readonly FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  if (spec.containers.length === 0) errors.push(required('spec.containers'));
  const lists = [
    ['containers', spec.containers],
    ['initContainers', spec.initContainers ?? []],
  ] as const;
  for (const [list, containers] of lists) {
    for (const [i, container] of containers.entries()) {
      const path = `spec.${list}[${i}]`;
      errors.push(...validateContainer(container, spec, volumes, path));
      if (container.name && names.has(container.name)) errors.push(duplicate(`${path}.name`, container.name));
      names.add(container.name);
      errors.push(
        ...(list === 'initContainers' ? validateInit(container, path) : validateApp(container, path)),
      );
    }
  }
  return [...errors, ...validateHostPorts(spec)];
}

function validateContainer(
  container: Container,
  spec: PodSpec,
  volumes: ReadonlySet<string>,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (!container.name) errors.push(required(`${path}.name`));
  else
    errors.push(
      ...labelErrors(container.name).map(detail => invalid(`${path}.name`, container.name, detail)),
    );
  if (!container.image) errors.push(required(`${path}.image`));
  else if (container.image !== container.image.trim())
    errors.push(invalid(`${path}.image`, container.image, 'must not have leading or trailing whitespace'));
  if (!PULL_POLICIES.includes(container.imagePullPolicy ?? ''))
    errors.push(notSupported(`${path}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES));
  if (!MESSAGE_POLICIES.includes(container.terminationMessagePolicy ?? '')) {
    errors.push(
      notSupported(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, MESSAGE_POLICIES),
    );
  }
  errors.push(...validatePorts(container.ports ?? [], `${path}.ports`));
  for (const [i, variable] of (container.env ?? []).entries())
    errors.push(...validateVariable(variable, `${path}.env[${i}]`));
  errors.push(...validateEnvFrom(container, path));
  errors.push(...validateVolumeMounts(container, volumes, path));
  errors.push(...validateSecurityContext(container, spec, `${path}.securityContext`));
  for (const name of PROBES)
    errors.push(...validateProbe(container[name], `${path}.${name}`, name !== 'readinessProbe'));
  return errors;
}

function validatePorts(ports: readonly ContainerPort[], path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  const isPort = (port: number): boolean => port >= 1 && port <= 65535;
  for (const [i, port] of ports.entries()) {
    const at = `${path}[${i}]`;
    if (port.name) {
      errors.push(...portNameErrors(port.name).map(detail => invalid(`${at}.name`, port.name, detail)));
      if (names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
    if (port.containerPort === undefined || port.containerPort === 0)
      errors.push(required(`${at}.containerPort`));
    else if (!isPort(port.containerPort))
      errors.push(
        invalid(`${at}.containerPort`, port.containerPort, 'must be between 1 and 65535, inclusive'),
      );
    if (port.hostPort !== undefined && port.hostPort !== 0 && !isPort(port.hostPort))
      errors.push(invalid(`${at}.hostPort`, port.hostPort, 'must be between 1 and 65535, inclusive'));
    if (!PROTOCOLS.includes(port.protocol ?? ''))
      errors.push(notSupported(`${at}.protocol`, port.protocol, PROTOCOLS));
    if (port.hostIP && !isIPAddress(port.hostIP))
      errors.push(
        invalid(`${at}.hostIP`, port.hostIP, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
      );
  }
  return errors;
}

/** Host ports of a pod's own containers; init containers run one by one, and are looked at so. */
function validateHostPorts(spec: PodSpec): readonly FieldError[] {
  const errors: FieldError[] = [];
  const used = new Set<string>();
  for (const [i, container] of spec.containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      const path = `spec.containers[${i}].ports[${j}].hostPort`;
      const { hostPort = 0 } = port;
      if (hostPort === 0) continue;
      if (spec.hostNetwork === true && hostPort !== port.containerPort)
        errors.push(invalid(path, hostPort, 'must match `containerPort` when `hostNetwork` is true'));
      const key = `${port.protocol}/${port.hostIP ?? ''}/${hostPort}`;
      if (used.has(key)) errors.push(duplicate(path, key));
      used.add(key);
    }
  }
  return errors;
}

const FIELD_PATHS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

function validateVariable(variable: EnvVar, path: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  if (!variable.name) errors.push(required(`${path}.name`));
  else
    errors.push(
      ...envNameErrors(variable.name).map(detail => invalid(`${path}.name`, variable.name, detail)),
    );
  const from = variable.valueFrom;
  if (from === undefined) return errors;
  const sources = Object.keys(from);
  if (sources.length === 0)
    errors.push(
      invalid(
        `${path}.valueFrom`,
        '',
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      ),
    );
  if (variable.value !== undefined && variable.value !== '')
    errors.push(invalid(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty'));
  if (sources.length > 1)
    errors.push(invalid(`${path}.valueFrom`, '', 'may not have more than one field specified at a time'));
  const field = from.fieldRef?.fieldPath;
  if (field !== undefined && !/^metadata\.(labels|annotations)\['[^']+'\]$/.test(field)) {
    const supported = FIELD_PATHS.filter(
      name => name !== 'metadata.labels' && name !== 'metadata.annotations',
    );
    if (field === '') errors.push(required(`${path}.valueFrom.fieldRef.fieldPath`));
    else if (!supported.includes(field))
      errors.push(notSupported(`${path}.valueFrom.fieldRef.fieldPath`, field, supported));
  }
  return errors;
}

function validateEnvFrom(container: Container, path: string): readonly FieldError[] {
  return (container.envFrom ?? []).flatMap((source, i) => {
    const at = `${path}.envFrom[${i}]`;
    const count = Number(source.configMapRef !== undefined) + Number(source.secretRef !== undefined);
    // The path of these two has no index: so it is in the API server.
    if (count === 0)
      return [invalid(`${path}.envFrom`, '', 'must specify one of: `configMapRef` or `secretRef`')];
    if (count > 1)
      return [invalid(`${path}.envFrom`, '', 'may not have more than one field specified at a time')];
    const [name, ref] =
      source.configMapRef === undefined
        ? ['secretRef', source.secretRef]
        : ['configMapRef', source.configMapRef];
    return ref?.name ? [] : [required(`${at}.${name}.name`)];
  });
}

function validateProbe(
  probe: Probe | undefined,
  path: string,
  mustSucceedOnce: boolean,
): readonly FieldError[] {
  if (probe === undefined) return [];
  const handlers = HANDLERS.filter(name => probe[name] !== undefined);
  const errors: FieldError[] = [];
  if (handlers.length === 0) errors.push(required(path, 'must specify a handler type'));
  for (const extra of handlers.slice(1))
    errors.push(forbidden(`${path}.${extra}`, 'may not specify more than 1 handler type'));
  for (const field of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    if ((probe[field] ?? 0) < 0)
      errors.push(invalid(`${path}.${field}`, probe[field], 'must be greater than or equal to 0'));
  }
  if (mustSucceedOnce && (probe.successThreshold ?? 1) !== 1)
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold, 'must be 1'));
  return errors;
}

/** An init container that is no sidecar runs to its end: nothing may watch or hook it. */
function validateInit(container: Container, path: string): readonly FieldError[] {
  if (container.restartPolicy === 'Always') return [];
  const detail = 'may not be set for init containers without restartPolicy=Always';
  const fields = (['lifecycle', ...PROBES] as const).filter(field => container[field] !== undefined);
  return [
    ...fields.map(field => forbidden(`${path}.${field}`, detail)),
    ...validateRestartPolicy(container, path),
  ];
}

function validateApp(container: Container, path: string): readonly FieldError[] {
  return validateRestartPolicy(container, path);
}
