import { type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts';
import { portNameErrors } from './names.ts';
import type {
  Container,
  ExecAction,
  GRPCAction,
  HTTPGetAction,
  Lifecycle,
  PodSpec,
  SleepAction,
  TCPSocketAction,
} from './types.generated.ts';

/** What a probe and a lifecycle hook can do; a probe has no `sleep`, a hook no `grpc`. */
interface Handler {
  readonly exec?: ExecAction;
  readonly httpGet?: HTTPGetAction;
  readonly tcpSocket?: TCPSocketAction;
  readonly grpc?: GRPCAction;
  readonly sleep?: SleepAction;
}

const KINDS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;

/** The actions of a container's probes and hooks (validateHandler); how many a probe may have is checked elsewhere. */
export function validateHandlers(
  container: Container,
  { os, terminationGracePeriodSeconds: gracePeriod = 30 }: PodSpec,
  path: string,
): readonly FieldError[] {
  const errors: FieldError[] = [];
  for (const name of PROBES) {
    const probe = container[name];
    if (probe === undefined) continue;
    errors.push(...validateAction(probe, gracePeriod, `${path}.${name}`));
    const grace = probe.terminationGracePeriodSeconds;
    const at = `${path}.${name}.terminationGracePeriodSeconds`;
    if (grace !== undefined && name === 'readinessProbe')
      errors.push(invalid(at, grace, 'must not be set for readinessProbes'));
    if (grace !== undefined && grace <= 0) errors.push(invalid(at, grace, 'must be greater than 0'));
  }
  return [
    ...errors,
    ...validateLifecycle(container.lifecycle, gracePeriod, `${path}.lifecycle`),
    ...validateStopSignal(container.lifecycle?.stopSignal, os, `${path}.lifecycle.stopSignal`),
  ];
}

function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  gracePeriod: number,
  path: string,
): readonly FieldError[] {
  return (['postStart', 'preStop'] as const).flatMap(name => {
    const handler: Handler | undefined = lifecycle?.[name];
    if (handler === undefined) return [];
    const at = `${path}.${name}`;
    const set = KINDS.filter(kind => handler[kind] !== undefined);
    return [
      ...(set.length === 0 ? [required(at, 'must specify a handler type')] : []),
      ...set.slice(1).map(kind => forbidden(`${at}.${kind}`, 'may not specify more than 1 handler type')),
      ...validateAction(handler, gracePeriod, at),
    ];
  });
}

/** The first action that is set; any other is an error already. */
function validateAction(handler: Handler, gracePeriod: number, path: string): readonly FieldError[] {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  if (exec !== undefined) return exec.command?.length ? [] : [required(`${path}.exec.command`)];
  if (httpGet !== undefined) return validateHttpGet(httpGet, `${path}.httpGet`);
  if (tcpSocket !== undefined) return validatePort(tcpSocket.port, `${path}.tcpSocket.port`);
  if (grpc !== undefined) return validatePort(grpc.port, `${path}.grpc.port`);
  if (sleep === undefined || (sleep.seconds >= 0 && sleep.seconds <= gracePeriod)) return [];
  const detail = `must be non-negative and less than terminationGracePeriodSeconds (${gracePeriod})`;
  return [invalid(`${path}.sleep`, sleep.seconds, detail)];
}

const HEADER_MESSAGE =
  "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";

function validateHttpGet(action: HTTPGetAction, path: string): readonly FieldError[] {
  const errors = [...validatePort(action.port, `${path}.port`)];
  const { scheme = 'HTTP' } = action;
  if (scheme !== 'HTTP' && scheme !== 'HTTPS')
    errors.push(notSupported(`${path}.scheme`, scheme, ['HTTP', 'HTTPS']));
  for (const { name = '' } of action.httpHeaders ?? [])
    if (!/^[-A-Za-z0-9]+$/.test(name)) errors.push(invalid(`${path}.httpHeaders`, name, HEADER_MESSAGE));
  return errors;
}

function validatePort(port: string | number | undefined, path: string): readonly FieldError[] {
  if (typeof port === 'string') return portNameErrors(port).map(detail => invalid(path, port, detail));
  const number = port ?? 0;
  return number >= 1 && number <= 65535
    ? []
    : [invalid(path, number, 'must be between 1 and 65535, inclusive')];
}

const NAMES =
  'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX';
const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i + 1);
const STOP_SIGNALS = [
  ...NAMES.split(' ').map(name => `SIG${name}`),
  ...upTo(15).map(i => `SIGRTMIN+${i}`),
  ...upTo(14).map(i => `SIGRTMAX-${i}`),
];

/** Which signals there are depends on the system, so it must be named (ContainerStopSignals). */
function validateStopSignal(
  signal: string | undefined,
  os: PodSpec['os'],
  path: string,
): readonly FieldError[] {
  if (signal === undefined) return [];
  if (!os?.name) return [forbidden(path, 'may not be set for containers with empty `spec.os.name`')];
  return STOP_SIGNALS.includes(signal) ? [] : [notSupported(path, signal, STOP_SIGNALS)];
}
