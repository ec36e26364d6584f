import { isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';
import { acceptPod } from '../admission/accept.ts';
import type { Decision } from '../admission/admission.ts';
import { errnoCode, fileFailure, UserError } from '../base/errors.ts';
import type { ValidateMode } from '../kube/decode.ts';
import { type LoadedPod, loadManifest, type Manifest } from '../kube/manifest.ts';
import type { Pod } from '../kube/types.generated.ts';
import type { AdmissionOptions } from '../runtime/admission.ts';
import { loadAdmission } from '../runtime/load-admission.ts';
import { newUid } from '../runtime/uid.ts';
import { type Args, type Io, text, texts } from './io.ts';

/** The pods of a command's manifest, accepted by the pipeline. */
export interface Input {
  readonly manifest: Manifest;
  readonly pods: readonly Pod[];
  readonly warnings: readonly string[];
  /** What admission decided of each pod. */
  readonly decisions: ReadonlyMap<Pod, Decision>;
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
  const { admission, isUsed } = await loadAdmission(io.roots, manifest.others, admissionOptions(args));
  const warnings = [...manifest.warnings, ...manifest.others.filter(object => !isUsed(object)).map(unused)];
  const decisions = new Map<Pod, Decision>();
  const pods = manifest.pods.map(loaded => {
    const options = { isLenient: validate !== 'strict', admission };
    const { pod, decision, ...accepted } = acceptPod(withName(loaded), uid(), options);
    warnings.push(...accepted.warnings);
    if (decision !== undefined) decisions.set(pod, decision);
    return pod;
  });
  return { manifest, pods, warnings, decisions };
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

/** The API server takes no object of more than 3 MiB; a device, or what is no manifest at all, must not fill the memory. */
const MAX_MANIFEST = 8 << 20;

export function readManifest(file: string): string {
  const what = file === '-' ? 'standard input' : JSON.stringify(file);
  let bytes: Buffer;
  try {
    const fd = file === '-' ? 0 : openSync(file, 'r');
    try {
      bytes = readUpTo(fd, MAX_MANIFEST + 1);
    } finally {
      if (fd !== 0) closeSync(fd);
    }
  } catch (cause) {
    throw new UserError(`cannot read ${what}: ${fileFailure(cause)}`, { cause });
  }
  if (bytes.length > MAX_MANIFEST)
    throw new UserError(`${what} is larger than 8 MiB`, { hint: 'is it a manifest?' });
  if (!isUtf8(bytes)) {
    const line = 1 + linesOf(bytes).findIndex(each => !isUtf8(each));
    throw new UserError(`${file === '-' ? '(stdin)' : file}:${line}: not UTF-8 text`, {
      hint: 'is it a manifest?',
    });
  }
  return bytes.toString();
}

function readUpTo(fd: number, limit: number): Buffer {
  const chunks: Buffer[] = [];
  for (let left = limit; left > 0; ) {
    const chunk = Buffer.allocUnsafeSlow(Math.min(left, 1 << 16));
    let size = 0;
    try {
      size = readSync(fd, chunk);
    } catch (error) {
      if (errnoCode(error) !== 'EAGAIN') throw error;
      // Somebody else has made our standard input non-blocking, and there is nothing in it yet.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      continue;
    }
    if (size === 0) break;
    chunks.push(chunk.subarray(0, size));
    left -= size;
  }
  return Buffer.concat(chunks);
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return [...lines, bytes.subarray(start)];
}

const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';

/** `generateName: web-` → web-x7k2p, from the letters the API server uses. */
export function withName(loaded: LoadedPod): LoadedPod {
  const { metadata } = loaded.pod;
  if (metadata?.name !== undefined || metadata?.generateName === undefined) return loaded;
  const bytes = Buffer.from(newUid().replaceAll('-', ''), 'hex');
  const suffix = [...bytes.subarray(0, 5)].map(byte => SUFFIX[byte % SUFFIX.length]).join('');
  return {
    ...loaded,
    isNameGenerated: true,
    pod: { ...loaded.pod, metadata: { ...metadata, name: `${metadata.generateName}${suffix}` } },
  };
}

/** Warnings as kubectl prints them. */
export function printWarnings(io: Io, warnings: readonly string[]): void {
  for (const warning of new Set(warnings))
    io.err(`${io.color.err ? '\u001b[33;1mWarning:\u001b[0m' : 'Warning:'} ${warning}\n`);
}
