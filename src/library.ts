import type { Readable } from 'node:stream';
import { acceptPod } from './admission/accept.ts';
import { UserError } from './base/errors.ts';
import { ImageStore } from './image/store.ts';
import { type LoadedPod, loadManifest, type Manifest } from './kube/manifest.ts';
import { sysctlPatternError } from './kube/sysctls.ts';
import type { Container, Pod } from './kube/types.generated.ts';
import type { OciConfig } from './oci/config.ts';
import { DEFAULT_ROOTS, rootsAt } from './oci/pod-paths.ts';
import { disassemble } from './program/disassemble.ts';
import type { AdmissionOptions } from './runtime/admission.ts';
import { gatherHostFacts } from './runtime/host-facts.ts';
import { loadAdmission } from './runtime/load-admission.ts';
import { runPod as runAcceptedPod } from './runtime/pod.ts';
import { type NetworkOptions, networkSettings } from './runtime/pod-network.ts';
import { podObjects } from './runtime/pod-objects.ts';
import type { PodResult } from './runtime/pod-result.ts';
import type { AttachedContainer } from './runtime/run-options.ts';
import { seccompSettings } from './runtime/seccomp.ts';
import { NO_UID, stageAll, thisMachine } from './runtime/stages.ts';
import { newUid } from './runtime/uid.ts';
import type { EffectiveSecurityContext } from './security/effective.ts';

/** A pod as YAML or JSON text, or as an object. */
export interface PodOptions extends NetworkOptions {
  /** Directory for all state, instead of /run/podspace and /var/lib/podspace. */
  readonly root?: string;
  /** The kubelet's --seccomp-default: seccompProfile RuntimeDefault for pods that say nothing. */
  readonly seccompDefault?: boolean;
  /** Directory of Localhost seccomp profiles, instead of /var/lib/podspace/seccomp. */
  readonly seccompProfileRoot?: string;
  /** Who asks, as with kubectl's --as and --as-group; root otherwise, who is a member of system:masters. */
  readonly as?: string;
  readonly asGroups?: readonly string[];
  /** File or directory of PodSecurityPolicies, roles, bindings and namespaces; they may stand beside the pod too. */
  readonly policy?: string;
  /** A level of the Pod Security Standards to enforce, whatever the namespace's labels say: `restricted:v1.30`. */
  readonly level?: string;
}

export interface RunOptions extends PodOptions {
  /** Ends the pod: SIGTERM, its grace period, SIGKILL. The promise still resolves with the result. */
  readonly signal?: AbortSignal;
  /** Output as it comes; all of it is in the result too, unless `capture` is false. */
  readonly onStdout?: (chunk: Buffer, container: string) => void;
  readonly onStderr?: (chunk: Buffer, container: string) => void;
  readonly onWarning?: (message: string) => void;
  /** The container that `stdin` and `tty` are for; the first one by default. */
  readonly container?: string;
  /** What that container reads. Its input ends with this, unless its spec has `stdin` without `stdinOnce`. */
  readonly stdin?: string | Uint8Array | Readable;
  /** Gives it a terminal, of a size if you like; its output is all stdout then. */
  readonly tty?: boolean | { readonly columns: number; readonly rows: number };
  /** Keep the output for the result; true by default. */
  readonly capture?: boolean;
  /** The kubelet's --pod-max-pids: how many processes the pod can have at a time. */
  readonly podMaxPids?: number;
  /** The kubelet's --allowed-unsafe-sysctls: names, or their beginnings with a "*". */
  readonly allowedUnsafeSysctls?: readonly string[];
}

/** One container through all stages of the pipeline. */
export interface CompiledContainer {
  readonly name: string;
  readonly init: boolean;
  readonly security: EffectiveSecurityContext;
  readonly oci: OciConfig;
  /** The listing of its syscall program, in strace's syntax. */
  readonly program: string;
}

/** The one pod of a manifest, and the objects that stand beside it. */
function load(manifest: string | Pod | object): { readonly manifest: Manifest; readonly loaded: LoadedPod } {
  const text = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
  const parsed = loadManifest([{ file: '(pod)', text }]);
  const [loaded, another] = parsed.pods;
  if (loaded === undefined || another !== undefined)
    throw new TypeError(`expected one pod, found ${parsed.pods.length}`);
  return { manifest: parsed, loaded };
}

const admissionOptions = ({ as, asGroups = [], policy, level }: PodOptions): AdmissionOptions => ({
  as,
  asGroups,
  policy,
  level,
});

/**
 * Runs one pod to its end, as root. ConfigMaps and Secrets may stand beside it in the same text.
 *
 * Resolves with what every container did, also when they failed; rejects with a PodspaceError (`message`, `hint`) for a
 * manifest that Kubernetes would refuse or an image that is not there.
 */
export async function runPod(manifest: string | object, options: RunOptions = {}): Promise<PodResult> {
  const { manifest: objects, loaded } = load(manifest);
  const roots = options.root === undefined ? DEFAULT_ROOTS : rootsAt(options.root);
  const { admission, network: networkObjects } = await loadAdmission(
    roots,
    objects.others,
    admissionOptions(options),
  );
  const { pod, warnings, decision } = acceptPod(loaded, newUid(), { admission });
  for (const warning of warnings) options.onWarning?.(warning);
  const attachment = await attach(pod, options);
  try {
    return await runAcceptedPod({
      pod,
      decision,
      networkObjects,
      objects: podObjects(roots, objects, [pod]),
      manifest: objects,
      images: new ImageStore(roots.state),
      host: gatherHostFacts(),
      roots,
      capture: options.capture !== false,
      network: networkSettings(options, 'podCidr'),
      ...seccompSettings(roots, options),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      allowedUnsafeSysctls: checkSysctlPatterns(options.allowedUnsafeSysctls ?? []),
      ...(options.podMaxPids === undefined ? {} : { podMaxPids: options.podMaxPids }),
      ...(attachment === undefined ? {} : { attached: attachment }),
      observer: {
        onOutput: (container, stream, chunk) => {
          (stream === 'stdout' ? options.onStdout : options.onStderr)?.(chunk, container);
          return true;
        },
        onWarning: message => options.onWarning?.(message),
      },
    });
  } finally {
    attachment?.detach();
  }
}

function checkSysctlPatterns(patterns: readonly string[]): readonly string[] {
  const error = patterns.map(sysctlPatternError).find(each => each !== undefined);
  if (error !== undefined) throw new UserError(`allowedUnsafeSysctls: ${error}`);
  return patterns;
}

/** The container that the caller's input or terminal is for. */
async function attach(
  { spec }: Pod,
  { container: name, stdin, tty = false }: RunOptions,
): Promise<(AttachedContainer & { detach(): void }) | undefined> {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const container = name === undefined ? containers[0] : containers.find(each => each.name === name);
  if (container === undefined)
    throw new UserError(`container "${name}" is not in the manifest`, {
      hint: `there are: ${containers.map(each => each.name).join(', ')}`,
    });
  if (stdin === undefined && tty === false) return undefined;
  const size = typeof tty === 'object' ? { height: tty.rows, width: tty.columns } : undefined;
  return {
    name: container.name,
    terminal: tty !== false,
    ...(size === undefined ? {} : { consoleSize: size }),
    ...(stdin === undefined ? { detach: () => {} } : await feed(stdin, container)),
  };
}

/** Loaded only when asked for: it brings node:tty and node:net along. */
async function feed(
  stdin: NonNullable<RunOptions['stdin']>,
  container: Container,
): Promise<Required<Pick<AttachedContainer, 'connect'>> & { detach(): void }> {
  const [{ Readable }, { pump, staysOpen }] = await Promise.all([
    import('node:stream'),
    import('./runtime/stdin.ts'),
  ]);
  const isBytes = typeof stdin === 'string' || stdin instanceof Uint8Array;
  const source = isBytes ? Readable.from([Buffer.from(stdin)]) : stdin;
  let stop = (): void => {};
  return {
    connect: streams => {
      stop();
      const fd = streams.terminal ?? streams.stdin ?? -1;
      const target = { fd, isTerminal: streams.terminal !== undefined };
      stop = pump(source, target, staysOpen(container) ? { onKeptOpen: () => {} } : {});
    },
    detach: () => stop(),
  };
}

/** What running the pod would do, without doing it. Needs no root. Rejections are as with {@link runPod}. */
export async function compilePod(
  manifest: string | object,
  options: PodOptions = {},
): Promise<readonly CompiledContainer[]> {
  const { manifest: objects, loaded } = load(manifest);
  const roots = options.root === undefined ? DEFAULT_ROOTS : rootsAt(options.root);
  const { admission } = await loadAdmission(roots, objects.others, admissionOptions(options));
  const accepted = acceptPod(loaded, NO_UID, { admission });
  const staged = stageAll(
    [accepted.pod],
    podObjects(roots, objects, [accepted.pod]),
    roots,
    thisMachine(roots, options),
  );
  return staged.map(({ container, isInit, stages }) => {
    if ('error' in stages)
      throw new Error(`container "${container.name}": ${stages.reason}: ${stages.error}`);
    return {
      name: container.name,
      init: isInit,
      security: stages.security,
      oci: stages.oci,
      program: disassemble(stages.compiled.program),
    };
  });
}
