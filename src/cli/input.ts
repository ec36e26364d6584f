import { readFileSync } from 'node:fs';
import { errnoCode, UserError } from '../base/errors.ts';
import type { ValidateMode } from '../kube/decode.ts';
import { type LoadedPod, loadManifest, type Manifest } from '../kube/manifest.ts';
import type { Pod } from '../kube/types.generated.ts';
import { acceptPod } from '../pipeline.ts';
import { newUid } from '../runtime/uid.ts';
import { type Args, type Io, text } from './io.ts';

/** The pods of a command's manifest, accepted by the pipeline. */
export interface Input {
  readonly manifest: Manifest;
  readonly pods: readonly Pod[];
  readonly warnings: readonly string[];
}

/** Reads `FILE`, `-f FILE` or standard input. Throws what is wrong with it, with its place. */
export function readInput(args: Args, uid: () => string = newUid): Input {
  const file = text(args, 'filename') ?? text(args, 'file');
  if (file === undefined)
    throw new UserError('no manifest is given', { hint: 'podspace run pod.yaml, or "-" for standard input' });
  if (text(args, 'filename') !== undefined && text(args, 'file') !== undefined)
    throw new UserError(`unexpected argument "${text(args, 'file')}"`, { hint: 'a command goes after "--"' });
  const validate = (text(args, 'validate') ?? 'strict') as ValidateMode;
  const manifest = loadManifest([{ file: file === '-' ? '(stdin)' : file, text: readManifest(file) }], {
    validate,
  });
  if (manifest.pods.length === 0) throw new UserError(`${file}: no pod, nor a workload with a pod template`);
  const warnings = [...manifest.warnings, ...manifest.others.map(unused)];
  const pods = manifest.pods.map(loaded => {
    const accepted = acceptPod(withName(loaded), uid(), validate !== 'strict');
    warnings.push(...accepted.warnings);
    return accepted.pod;
  });
  return { manifest, pods, warnings };
}

function unused({ kind, object }: Manifest['others'][number]): string {
  const { name = '' } = (object.metadata ?? {}) as { name?: string };
  return `${kind} "${name}" has no effect on this run`;
}

function readManifest(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    const code = errnoCode(cause);
    const why =
      code === 'ENOENT'
        ? 'no such file'
        : code === 'EISDIR'
          ? 'is a directory'
          : code === 'EACCES'
            ? 'permission denied'
            : String(cause);
    throw new UserError(`cannot read "${file}": ${why}`, { cause });
  }
}

const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';

/** `generateName: web-` → web-x7k2p, from the letters the API server uses. */
function withName(loaded: LoadedPod): LoadedPod {
  const { metadata } = loaded.pod;
  if (metadata?.name !== undefined || metadata?.generateName === undefined) return loaded;
  const bytes = Buffer.from(newUid().replaceAll('-', ''), 'hex');
  const suffix = [...bytes.subarray(0, 5)].map(byte => SUFFIX[byte % SUFFIX.length]).join('');
  return {
    ...loaded,
    pod: { ...loaded.pod, metadata: { ...metadata, name: `${metadata.generateName}${suffix}` } },
  };
}

/** Warnings as kubectl prints them. */
export function printWarnings(io: Io, warnings: readonly string[]): void {
  for (const warning of new Set(warnings))
    io.err(`${io.color.err ? '\u001b[33;1mWarning:\u001b[0m' : 'Warning:'} ${warning}\n`);
}
