import { UserError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import { ImageStore } from '../image/store.ts';
import { sysctlPatternError } from '../kube/sysctls.ts';
import type { Container, Pod } from '../kube/types.generated.ts';
import { keepYoungGenerationSmall } from '../native/young-generation.ts';
import { gatherHostFacts } from '../runtime/host-facts.ts';
import { runPod } from '../runtime/pod.ts';
import { networkSettings } from '../runtime/pod-network.ts';
import { exitCodeOf, type PodResult } from '../runtime/pod-result.ts';
import type { PodObserver, RunPodOptions } from '../runtime/run-options.ts';
import { seccompSettings } from '../runtime/seccomp.ts';
import { startTimer } from '../runtime/timer.ts';
import type { Auditor } from './auditor.ts';
import { parseDuration } from './duration.ts';
import { printWarnings, readInput } from './input.ts';
import { type Args, flag, type Io, networkOptions, seccompOptions, text, texts } from './io.ts';
import { Output } from './output.ts';
import { PrefixedOutput } from './prefix.ts';
import { showPull } from './pull-progress.ts';
import { requireRoot } from './root.ts';
import type { StdinConnection } from './stdin.ts';
import { StopSignals } from './stop-signals.ts';
import { formatExchange, formatTrace } from './trace.ts';

/** coreutils' timeout(1). */
const TIMED_OUT = 124;

export async function run(args: Args, io: Io): Promise<number> {
  if (!flag(args, 'audit')) return runManifest(args, io);
  const { AuditReport } = await import('./audit-report.ts');
  return runManifest(args, io, new AuditReport('text', text(args, 'seccomp-profile-root')));
}

/** Runs the pods of a manifest to their end. */
export async function runManifest(args: Args, parent: Io, auditor?: Auditor): Promise<number> {
  requireRoot();
  const {
    pods,
    manifest,
    objects,
    warnings,
    decisions,
    network: networkObjects,
  } = await readInput(args, parent);
  const timeout = text(args, 'timeout');
  const milliseconds = timeout === undefined ? undefined : parseDuration(timeout, '--timeout');
  const podMaxPids = parseMaxPids(text(args, 'pod-max-pids'));
  const allowedUnsafeSysctls = parseSysctls(text(args, 'allowed-unsafe-sysctls'));
  const network = networkSettings(networkOptions(args), 'option --pod-cidr');
  const target = choosePod(args, pods);
  const isJson = text(args, 'output') === 'json';
  printWarnings(parent, warnings);

  const streams = new Output(() => stops.stop.abort(), auditor?.takesStdout === true);
  const io: Io = {
    ...parent,
    out: text => void streams.own('stdout', Buffer.from(text)),
    err: text => void streams.own('stderr', Buffer.from(text)),
  };
  const stops = new StopSignals(io);
  // As kubectl attach: with -i to a container that has a terminal, ours is to be like it.
  const isTerminal = flag(args, 'tty') || (flag(args, 'stdin') && target?.container.tty === true);
  const stdin =
    target !== undefined && (flag(args, 'stdin') || isTerminal)
      ? await connectStdin(args, io, target.container, isTerminal)
      : undefined;
  const output = new PrefixedOutput((stream, chunk) => streams.write(stream, chunk), io.color.out);
  const stopTimer =
    milliseconds === undefined ? undefined : startTimer(milliseconds, () => stops.timeOut(timeout));
  const images = new ImageStore(io.roots.state);
  const host = gatherHostFacts();
  if (auditor !== undefined) warnOfAudit(parent, host.kernelRelease);
  try {
    const results = await allOrNone(pods, stops.stop, pod => {
      const attached =
        pod === target?.pod && stdin !== undefined
          ? {
              name: target.container.name,
              terminal: isTerminal,
              consoleSize: stdin.consoleSize,
              connect: stdin.connect,
            }
          : undefined;
      const options: RunPodOptions = {
        pod:
          pod === target?.pod && args.rest.length > 0
            ? withCommand(pod, target.container.name, args.rest)
            : pod,
        decision: decisions.get(pod),
        networkObjects,
        objects,
        manifest,
        images,
        insecureRegistries: texts(args, 'insecure-registry'),
        onPull: image => {
          keepYoungGenerationSmall();
          return showPull(io, image);
        },
        host,
        roots: io.roots,
        network,
        ...seccompSettings(io.roots, seccompOptions(args)),
        observer: observe(args, io, pod, pods.length, streams, output, attached?.terminal === true),
        trace: flag(args, 'trace'),
        capture: isJson,
        signal: stops.stop.signal,
        killSignal: stops.kill.signal,
        // Two threads wait for output; somebody may have left us fewer than Node's four.
        hasOwnThreads:
          process.env.UV_THREADPOOL_SIZE === undefined &&
          pods.length === 1 &&
          pod.spec?.containers.length === 1 &&
          pod.spec.initContainers === undefined &&
          stdin === undefined,
        onSignals: send => stops.forwardTo(send),
        ...(auditor === undefined ? {} : { onAudited: auditor.onAudited(pod) }),
        ...(attached === undefined ? {} : { attached }),
        ...(podMaxPids === undefined ? {} : { podMaxPids }),
        allowedUnsafeSysctls,
      };
      return runPod(options);
    });
    output.end();
    const code = finish(args, io, pods, results, stops.timedOut);
    auditor?.report(io);
    // To end it was what the time was given for.
    if (stops.timedOut && auditor?.takesStdout === true) return streams.exitCode(0);
    return streams.exitCode(code);
  } finally {
    stopTimer?.();
    stdin?.close();
    stops.close();
  }
}

/** Linux 5.19 is the first whose audited calls no signal interrupts. */
const AUDIT_KERNEL = [5, 19] as const;

function warnOfAudit(io: Io, kernelRelease: string): void {
  const [major = 0, minor = 0] = kernelRelease.split('.').map(Number);
  if (major < AUDIT_KERNEL[0] || (major === AUDIT_KERNEL[0] && minor < AUDIT_KERNEL[1]))
    throw new UserError(`an audit needs Linux ${AUDIT_KERNEL.join('.')}, this is ${kernelRelease}`);
  printWarnings(io, [
    'an audited pod runs without its seccomp filters, and slower: every system call is looked at',
  ]);
}

/** -1 is the kubelet's word for no limit. */
function parseMaxPids(value: string | undefined): number | undefined {
  if (value === undefined || value === '-1') return undefined;
  const count = Number(value);
  if (/^\d+$/.test(value) && count > 0 && Number.isSafeInteger(count)) return count;
  throw new UserError(`option --pod-max-pids: "${value}" is not a number of processes`);
}

function parseSysctls(value: string | undefined): readonly string[] {
  const patterns = value?.split(',') ?? [];
  const error = patterns.map(sysctlPatternError).find(each => each !== undefined);
  if (error === undefined) return patterns;
  throw new UserError(`option --allowed-unsafe-sysctls: ${error}`, {
    hint: 'names with commas between, or beginnings as in kernel.msg*',
  });
}

/** One pod that cannot be tried at all (its image, its name) ends the others too; nothing of them is left when it is thrown. */
async function allOrNone(
  pods: readonly Pod[],
  stop: AbortController,
  body: (pod: Pod) => Promise<PodResult>,
): Promise<readonly PodResult[]> {
  const running = pods.map(body);
  for (const one of running) one.catch(() => stop.abort());
  const settled = await Promise.allSettled(running);
  return settled.map((one, i) => {
    if (one.status === 'fulfilled') return one.value;
    const { reason } = one;
    if (pods.length === 1 || !(reason instanceof UserError)) throw reason;
    const hint = reason.hint === undefined ? {} : { hint: reason.hint };
    throw new UserError(`pod "${pods[i]?.metadata?.name}": ${reason.message}`, { ...hint, cause: reason });
  });
}

/** Loaded only when asked for: it brings node:tty and node:net along. */
async function connectStdin(
  args: Args,
  io: Io,
  container: Container,
  isTerminal: boolean,
): Promise<StdinConnection> {
  const [{ StdinConnection }, { staysOpen }] = await Promise.all([
    import('./stdin.ts'),
    import('../runtime/stdin.ts'),
  ]);
  const kept = `container "${container.name}": standard input has ended, and stays open for it: stdinOnce is not set`;
  return new StdinConnection({
    isInteractive: flag(args, 'stdin'),
    isTerminal,
    ...(staysOpen(container) ? { onKeptOpen: () => printWarnings(io, [kept]) } : {}),
  });
}

/** The pod and container that -c, -i, -t and a command are for. */
function choosePod(
  args: Args,
  pods: readonly Pod[],
): { readonly pod: Pod; readonly container: Container } | undefined {
  const name = text(args, 'container');
  const needed = name !== undefined || args.rest.length > 0 || flag(args, 'stdin') || flag(args, 'tty');
  if (!needed) return undefined;
  const all = pods.flatMap(pod =>
    [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].map(container => ({
      pod,
      container,
    })),
  );
  const chosen = name === undefined ? all[0] : all.find(({ container }) => container.name === name);
  if (chosen === undefined)
    throw new UserError(`container "${name}" is not in the manifest`, {
      hint: `there are: ${all.map(({ container }) => container.name).join(', ')}`,
    });
  if (name === undefined && pods.length > 1)
    throw new UserError('the manifest has several pods', { hint: 'choose a container with -c' });
  return chosen;
}

function withCommand(pod: Pod, name: string, command: readonly string[]): Pod {
  const replace = (container: Container): Container =>
    container.name === name ? { ...container, command, args: [] } : container;
  const spec = pod.spec ?? { containers: [] };
  return {
    ...pod,
    spec: {
      ...spec,
      containers: spec.containers.map(replace),
      ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(replace) }),
    },
  };
}

function observe(
  args: Args,
  io: Io,
  pod: Pod,
  podCount: number,
  streams: Output,
  output: PrefixedOutput,
  hasTerminal: boolean,
): PodObserver {
  const containers = (pod.spec?.containers.length ?? 0) + (pod.spec?.initContainers?.length ?? 0);
  const label = (container: string): string =>
    podCount > 1 ? `${pod.metadata?.name}/${container}` : container;
  const isPrefixed = podCount > 1 || containers > 1;
  const isJson = text(args, 'output') === 'json';
  return {
    onOutput: (container, stream, chunk) => {
      if (isJson && !hasTerminal) return true;
      if (!isPrefixed || hasTerminal) return streams.write(stream, chunk);
      output.push(label(container), stream, chunk);
      return !streams.isBroken;
    },
    onWarning: message => printWarnings(io, [message]),
    onTrace: (container, program, report) => {
      if (flag(args, 'trace')) io.err(formatTrace(label(container), program, report));
    },
    ...(flag(args, 'trace')
      ? { onExchange: exchange => io.err(formatExchange(pod.metadata?.name ?? '', exchange)) }
      : {}),
    onEvent: (type, reason, message, container) => {
      const object = `pod/${pod.metadata?.name}${container === '' ? '' : `{${container}}`}`;
      if (io.verbose) io.err(`${type}\t${reason}\t${object}\t${printable(message)}\n`);
    },
  };
}

function finish(
  args: Args,
  io: Io,
  pods: readonly Pod[],
  results: readonly PodResult[],
  timedOut: boolean,
): number {
  const isJson = text(args, 'output') === 'json';
  if (isJson) io.out(`${JSON.stringify(results.length === 1 ? results[0] : { items: results }, null, 2)}\n`);
  else for (const [i, result] of results.entries()) report(io, pods[i], result, results.length > 1);
  if (timedOut) return TIMED_OUT;
  return results.map(exitCodeOf).find(code => code !== 0) ?? 0;
}

/** What the output itself does not tell: why something did not run, and what a container said of its own failure. */
function report(io: Io, pod: Pod | undefined, result: PodResult, isOneOfMany: boolean): void {
  const head = isOneOfMany ? `pod "${result.name}": ` : '';
  // A message can hold words of an image.
  if (result.reason !== undefined)
    io.err(`error: ${head}${result.reason}: ${printable(result.message ?? '')}\n`);
  const { containers = [], initContainers = [] } = pod?.spec ?? {};
  // What falls back to the output has been seen already.
  const hasOwnMessage = (container: string): boolean =>
    [...containers, ...initContainers].find(({ name }) => name === container)?.terminationMessagePolicy !==
    'FallbackToLogsOnError';
  for (const { name, init, sidecar, reason, message, exitCode, startedAt } of result.containers) {
    const hasFailed = exitCode !== 0 && hasOwnMessage(name);
    const isTold = startedAt === undefined || reason === 'PostStartHookError' || hasFailed;
    if (message !== undefined && isTold)
      io.err(`error: ${head}container "${name}": ${reason}: ${printable(message.trimEnd())}\n`);
    else if (reason === 'OOMKilled')
      io.err(`error: ${head}container "${name}": OOMKilled: the kernel killed it for want of memory\n`);
    else if (init && !sidecar && exitCode !== 0)
      io.err(`error: ${head}init container "${name}" ended with exit code ${exitCode}\n`);
  }
}
