import type { Container, Probe } from '../../kube/types.generated.ts';
import type { DialFrom } from './dial.ts';
import { type ExecIn, execCommand } from './exec.ts';
import { grpc } from './grpc.ts';
import { httpGet } from './http.ts';
import { requestOf } from './http-request.ts';
import { type Limit, withLimit } from './limit.ts';
import { failedToRun, type Outcome } from './outcome.ts';
import { resolvePort } from './port.ts';
import { tcpSocket } from './tcp.ts';

/** What an action can be done to: a container that runs, and its pod's network. */
export interface Target {
  readonly container: Container;
  readonly exec: ExecIn;
  readonly network: DialFrom;
}

type Action = (target: Target, limit: Limit) => Promise<Outcome>;

const withPort = async (
  port: string | number | undefined,
  { container }: Target,
  action: (port: number) => Promise<Outcome>,
): Promise<Outcome> => {
  const number = resolvePort(port, container);
  return typeof number === 'number' ? action(number) : failedToRun(number.error);
};

/** What to do for each kind of probe; validation has seen to it that there is one. */
function actionOf({ exec, httpGet: http, tcpSocket: tcp, grpc: health }: Probe): Action {
  if (exec !== undefined)
    return async (target, limit) => (await execCommand(exec.command ?? [], target.exec, limit)).outcome;
  if (http !== undefined)
    return (target, limit) =>
      withPort(http.port, target, port =>
        httpGet(requestOf(http, target.network.podIP, port, 'probe'), target.network, limit),
      );
  if (tcp !== undefined)
    return (target, limit) =>
      withPort(tcp.port, target, port =>
        tcpSocket(tcp.host || target.network.podIP, port, target.network, limit),
      );
  if (health !== undefined)
    return (target, limit) => grpc(health.port, health.service ?? '', target.network, limit);
  return async () => failedToRun('missing probe handler');
}

/** Runs a probe once, within its timeoutSeconds. */
export function runProbe(probe: Probe, target: Target, signal: AbortSignal): Promise<Outcome> {
  return withLimit(probe.timeoutSeconds || 1, signal, limit => actionOf(probe)(target, limit));
}
