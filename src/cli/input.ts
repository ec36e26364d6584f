import { acceptPod } from '../admission/accept.ts';
import type { Decision } from '../admission/admission.ts';
import { UserError } from '../base/errors.ts';
import type { ValidateMode } from '../kube/decode.ts';
import type { PodObjects } from '../kube/environment.ts';
import { type LoadedPod, loadManifest, type Manifest } from '../kube/manifest.ts';
import type { Pod } from '../kube/types.generated.ts';
import type { NetworkObjects } from '../network/objects.ts';
import type { AdmissionOptions } from '../runtime/admission.ts';
import { generateName } from '../runtime/generate-name.ts';
import { loadAdmission } from '../runtime/load-admission.ts';
import { podObjects } from '../runtime/pod-objects.ts';
import { readManifest } from '../runtime/read-manifest.ts';
import { newUid } from '../runtime/uid.ts';
import { type Args, type Io, text, texts } from './io.ts';

/** The pods of a command's manifest, accepted by the pipeline. */
export interface Input {
  readonly manifest: Manifest;
  /** What the pods refer to, of the manifest or the store. */
  readonly objects: PodObjects;
  readonly pods: readonly Pod[];
  readonly warnings: readonly string[];
  /** What admission decided of each pod. */
  readonly decisions: ReadonlyMap<Pod, Decision>;
  /** NetworkPolicies, Services and namespaces of the manifest. */
  readonly network: NetworkObjects | undefined;
}

/** Reads `FILE`, `-f FILE` or standard input. Throws what is wrong with it, with its place. */
export async function readInput(args: Args, io: Io, uid: () => string = newUid): Promise<Input> {
  const file = text(args, 'filename') ?? text(args, 'file');
  if (file === undefined)
    throw new UserError('no manifest is given', { hint: 'podspace run pod.yaml, or "-" for standard input' });
  if (text(args, 'filename') !== undefined && text(args, 'file') !== undefined)
    throw new UserError(`unexpected argument "${text(args, 'file')}"`, { hint: 'a command goes after "--"' });
  const validate = (text(args, 'validate') ?? 'strict') as ValidateMode;
  const name = file === '-' ? '(stdin)' : file;
  const manifest = loadManifest([{ file: name, text: readManifest(file) }], { validate });
  if (manifest.pods.length === 0) throw new UserError(`${name}: no pod, nor a workload with a pod template`);
  const { admission, network, isUsed } = await loadAdmission(
    io.roots,
    manifest.others,
    admissionOptions(args),
  );
  const warnings = [...manifest.warnings, ...manifest.others.filter(object => !isUsed(object)).map(unused)];
  const decisions = new Map<Pod, Decision>();
  const pods = manifest.pods.map(loaded => {
    const options = { isLenient: validate !== 'strict', admission };
    const { pod, decision, ...accepted } = acceptPod(withName(loaded), uid(), options);
    warnings.push(...accepted.warnings);
    if (decision !== undefined) decisions.set(pod, decision);
    return pod;
  });
  return { manifest, objects: podObjects(io.roots, manifest, pods), pods, warnings, decisions, network };
}

/** The options about admission that several commands have. */
export function admissionOptions(args: Args): AdmissionOptions {
  return {
    as: text(args, 'as'),
    asGroups: texts(args, 'as-group'),
    policy: text(args, 'policy'),
    level: text(args, 'level'),
  };
}

function unused({ kind, object }: Manifest['others'][number]): string {
  const { name = '' } = (object.metadata ?? {}) as { name?: string };
  return `${kind} "${name}" has no effect on this run`;
}

/** `generateName: web-` → web-x7k2p. */
export function withName(loaded: LoadedPod): LoadedPod {
  const { metadata } = loaded.pod;
  if (metadata?.name !== undefined || metadata?.generateName === undefined) return loaded;
  const name = generateName(metadata.generateName);
  return { ...loaded, isNameGenerated: true, pod: { ...loaded.pod, metadata: { ...metadata, name } } };
}

/** Warnings as kubectl prints them. */
export function printWarnings(io: Io, warnings: readonly string[]): void {
  for (const warning of new Set(warnings))
    io.err(`${io.color.err ? '\u001b[33;1mWarning:\u001b[0m' : 'Warning:'} ${warning}\n`);
}
