import { type Args, type Io, text } from './io.ts';
import { runManifest } from './run.ts';

/** `run --audit` with the report for an output: what the containers print goes to stderr. */
export async function run(args: Args, io: Io): Promise<number> {
  const { AuditReport } = await import('./audit-report.ts');
  const format = text(args, 'output') === 'json' ? 'json' : 'text';
  const report = new AuditReport(format, text(args, 'seccomp-profile-root'), true);
  return runManifest({ ...args, values: { ...args.values, output: undefined } }, io, report);
}
