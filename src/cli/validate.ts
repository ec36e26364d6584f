import { UserError } from '../base/errors.ts';
import type { ValidateMode } from '../kube/decode.ts';
import { loadManifest, type Manifest } from '../kube/manifest.ts';
import { ManifestError } from '../kube/source.ts';
import { readManifest } from '../runtime/read-manifest.ts';
import { admissionOptions } from './input.ts';
import { type Args, type Io, text, texts } from './io.ts';

/** Says of each pod whether it would be admitted, and runs nothing. Exit code 1 if one would not, or cannot be read. */
export async function run(args: Args, io: Io): Promise<number> {
  const filename = text(args, 'filename');
  const files = [...texts(args, 'file'), ...(filename === undefined ? [] : [filename])];
  if (files.length === 0)
    throw new UserError('no manifest is given', {
      hint: 'podspace validate pod.yaml, or "-" for standard input',
    });
  const report = await import('./validate-report.ts');
  const format = text(args, 'output') as 'json' | 'sarif' | undefined;
  const validate = (text(args, 'validate') ?? 'strict') as ValidateMode;
  const named = files.map(file => ({ file: file === '-' ? '(stdin)' : file, text: readManifest(file) }));
  let manifest: Manifest;
  try {
    manifest = loadManifest(named, { validate });
  } catch (error) {
    // For a program the mistakes of the files are findings as others are.
    if (!(error instanceof ManifestError) || format === undefined) throw error;
    report.printUnreadable(io, error.errors, format);
    return 1;
  }
  return report.printDecisions(io, manifest, admissionOptions(args), format);
}
