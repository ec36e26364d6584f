import type { HTTPGetAction, LifecycleHandler } from '../../kube/types.generated.ts';
import { delay } from '../on-abort.ts';
import { execCommand } from './exec.ts';
import { getPage, HTTP_TO_HTTPS } from './http.ts';
import { requestOf, urlOf } from './http-request.ts';
import { type Limit, withLimit } from './limit.ts';
import { resolvePort } from './port.ts';
import type { Target } from './run-probe.ts';

export interface HookInput {
  readonly target: Target;
  /** `NAME_NAMESPACE(UID)` */
  readonly podName: string;
  onEvent(type: 'Warning', reason: string, message: string): void;
}

/** Undefined when all is well; else why not, and what the hook was, for the message. */
type Failure = { readonly hook: string; readonly error: string; readonly output?: string } | undefined;

/** Runs postStart or preStop until its end, or until nobody waits for it any more. Says why it failed, as a kubelet does. */
export async function runHook(
  handler: LifecycleHandler,
  input: HookInput,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { container } = input.target;
  const failure = await withLimit(undefined, signal, limit => act(handler, input, limit));
  if (failure === undefined) return undefined;
  const { hook, error, output } = failure;
  const where = `for Container ${JSON.stringify(container.name)} in Pod ${JSON.stringify(input.podName)}`;
  const said = output === undefined ? '' : `, message: ${JSON.stringify(output)}`;
  return `${hook} ${where} failed - error: ${error}${said}`;
}

async function act(
  { exec, httpGet, sleep }: LifecycleHandler,
  input: HookInput,
  limit: Limit,
): Promise<Failure> {
  if (exec !== undefined) return runCommand(exec.command ?? [], input, limit);
  if (httpGet !== undefined) {
    const error = await getHook(httpGet, input, limit);
    return error === undefined ? undefined : { hook: `HTTP lifecycle hook (${httpGet.path ?? ''})`, error };
  }
  if (sleep !== undefined) {
    await delay(sleep.seconds * 1000, limit.signal);
    if (!limit.signal.aborted) return undefined;
    const error = 'container terminated before sleep hook finished';
    return { hook: `Sleep lifecycle hook (${sleep.seconds})`, error };
  }
  // tcpSocket is still in the API, and never was a hook (types.go: "will fail at runtime when it is specified").
  return { hook: 'Cannot run handler', error: 'invalid handler: tcpSocket' };
}

async function runCommand(command: readonly string[], { target }: HookInput, limit: Limit): Promise<Failure> {
  const { outcome, exitCode } = await execCommand(command, target.exec, limit);
  if (exitCode === 0) return undefined;
  const { output } = outcome;
  const error =
    exitCode === undefined ? output : `command '${command.join(' ')}' exited with ${exitCode}: ${output}`;
  return {
    hook: `Exec lifecycle hook ([${command.join(' ')}])`,
    error,
    output: exitCode === undefined ? '' : output,
  };
}

/** Any answer will do; one that has begun need not come to its end. */
async function getHook(action: HTTPGetAction, input: HookInput, limit: Limit): Promise<string | undefined> {
  const { container, network } = input.target;
  const port = resolvePort(action.port, container);
  if (typeof port !== 'number') return port.error;
  const request = requestOf(action, network.podIP, port, 'lifecycle');
  const page = await getPage(request, network, limit);
  if (page.kind !== 'failed') return undefined;
  if (!page.message.endsWith(HTTP_TO_HTTPS)) return page.message;
  // A kubelet tries again without TLS, and without what only TLS would have kept secret.
  const headers = request.headers.filter(([name]) => name.toLowerCase() !== 'authorization');
  const again = await getPage({ ...request, scheme: 'http', headers }, network, limit);
  if (again.kind === 'failed') return page.message;
  const host = new URL(urlOf(request)).host;
  const message = `request to HTTPS lifecycle hook ${host} got HTTP response, retry with HTTP succeeded`;
  input.onEvent('Warning', 'LifecycleHTTPFallback', message);
  return undefined;
}
