import { createTwoFilesPatch } from 'diff';
import { stringify } from 'yaml';
import type { Breach } from '../admission/admission.ts';
import { type Judgement, judgePod } from '../admission/judge.ts';
import { POLICY_ANNOTATION } from '../admission/pod-security-policy/admit.ts';
import { printable } from '../base/printable.ts';
import { asWritten } from '../kube/invalid-object.ts';
import type { LoadedPod, Manifest } from '../kube/manifest.ts';
import type { SourceError } from '../kube/source.ts';
import type { Pod } from '../kube/types.generated.ts';
import { type AdmissionOptions, gatherAdmission } from '../runtime/admission.ts';
import { withName } from './input.ts';
import type { Io } from './io.ts';
import { type Finding, sarif } from './sarif.ts';
import { version } from './version.ts';

export type Format = 'json' | 'sarif' | undefined;

interface Judged extends Judgement {
  readonly loaded: LoadedPod;
  readonly errors: readonly Finding[];
  readonly notes: readonly Finding[];
}

/** Prints what becomes of each pod; returns the exit code. */
export function printDecisions(
  io: Io,
  manifest: Manifest,
  options: AdmissionOptions,
  format: Format,
): number {
  const request = gatherAdmission(io.roots, manifest.others, options);
  const judged = manifest.pods.map((pod): Judged => {
    const loaded = withName(pod);
    const judgement = judgePod(loaded, request);
    return {
      ...judgement,
      loaded,
      errors: judgement.breaches.flatMap(breach => findings(loaded, breach, 'error')),
      notes: judgement.unsupported.flatMap(breach => findings(loaded, breach, 'note')),
    };
  });
  if (format === 'json') io.out(`${JSON.stringify({ pods: judged.map(asJson) }, null, 2)}\n`);
  else if (format === 'sarif')
    io.out(`${JSON.stringify(sarif(judged.flatMap(allFindings), version()), null, 2)}\n`);
  else printText(io, judged, manifest.warnings);
  return judged.every(({ isAdmitted }) => isAdmitted) ? 0 : 1;
}

/** Files that cannot be read as manifests, for programs. */
export function printUnreadable(io: Io, errors: readonly SourceError[], format: NonNullable<Format>): void {
  const all = errors.map(({ file, line, column, message }): Finding => {
    return { ruleId: 'Unreadable', level: 'error', message, file, line, column };
  });
  const document = format === 'sarif' ? sarif(all, version()) : { pods: [], errors: all };
  io.out(`${JSON.stringify(document, null, 2)}\n`);
}

/** One for each place; where a breach has none, at the pod. */
function findings(
  { source }: LoadedPod,
  { rule, message, paths }: Breach,
  level: Finding['level'],
): readonly Finding[] {
  return (paths.length === 0 ? [''] : paths).map(path => ({
    ruleId: rule,
    level,
    message,
    file: source.file,
    ...source.locate(asWritten(path)),
  }));
}

function allFindings({ loaded, errors, notes, warnings }: Judged): readonly Finding[] {
  const warned = warnings.map(message => ({ rule: 'PodSecurity/warn', message, paths: [] }));
  return [...errors, ...warned.flatMap(breach => findings(loaded, breach, 'warning')), ...notes];
}

function asJson({ loaded, isAdmitted, after, policy, answer, errors, warnings, notes }: Judged): unknown {
  const { file, locate } = loaded.source;
  const { name = '', namespace = 'default' } = after.metadata ?? {};
  return {
    name,
    namespace,
    ...(loaded.owner === undefined ? {} : { owner: loaded.owner }),
    file,
    ...locate(''),
    admitted: isAdmitted,
    ...(policy === undefined
      ? {}
      : { policy: policy.policy.metadata.name, allowedBy: policy.allowedBy, changes: policy.changes }),
    ...(answer === undefined ? {} : { answer }),
    errors,
    warnings,
    notes,
  };
}

function printText(io: Io, judged: readonly Judged[], warnings: readonly string[]): void {
  const color = (code: number, line: string): string =>
    io.color.out ? `\u001b[${code}m${line}\u001b[39m` : line;
  for (const warning of warnings) io.err(`Warning: ${warning}\n`);
  for (const one of judged) {
    const { loaded, isAdmitted, policy, errors, notes } = one;
    const { line, column } = loaded.source.locate('');
    const verdict = isAdmitted ? color(32, 'admitted') : color(31, 'denied');
    const by =
      policy === undefined
        ? ''
        : ` by PodSecurityPolicy "${policy.policy.metadata.name}", which ${policy.allowedBy.name} may use`;
    io.out(`${loaded.source.file}:${line}:${column}: ${subject(one)}: ${verdict}${isAdmitted ? by : ''}\n`);
    for (const error of errors)
      io.out(printable(`  ${place(error)}: ${error.ruleId}: ${error.message}`).concat('\n'));
    for (const warning of one.warnings) io.out(printable(`  Warning: ${warning}`).concat('\n'));
    for (const note of notes)
      io.out(printable(`  ${place(note)}: note: podspace does not run it: ${note.message}`).concat('\n'));
    if (isAdmitted && (policy?.changes.length ?? 0) > 0) io.out(difference(one, color));
  }
  const denied = judged.filter(({ isAdmitted }) => !isAdmitted).length;
  io.out(
    `${judged.length} ${judged.length === 1 ? 'pod' : 'pods'}: ${judged.length - denied} admitted, ${denied} denied\n`,
  );
}

const place = ({ file, line, column }: Finding): string => `${file}:${line}:${column}`;

function subject({ loaded: { owner }, after }: Judged): string {
  const { name = '', namespace = 'default' } = after.metadata ?? {};
  const pod = `pod "${namespace === 'default' ? name : `${namespace}/${name}`}"`;
  return owner === undefined ? pod : `${pod} of ${owner.kind} "${owner.name}"`;
}

/** What the policy has changed, as a diff of YAML. */
function difference({ before, after }: Judged, color: (code: number, line: string) => string): string {
  const text = (pod: Pod): string => stringify(withoutMark(pod), { lineWidth: 0 });
  const patch = createTwoFilesPatch(
    'as written, with defaults',
    'as admitted',
    text(before),
    text(after),
    '',
    '',
    { context: 2 },
  );
  const lines = patch.split('\n').filter(line => line !== '' && !line.startsWith('====='));
  const painted = lines.map(line => {
    const shown = `    ${printable(line.replace(/\t$/, ''))}`;
    if (/^(---|\+\+\+)/.test(line)) return shown;
    return line.startsWith('+') ? color(32, shown) : line.startsWith('-') ? color(31, shown) : shown;
  });
  return painted.map(line => `${line}\n`).join('');
}

/** That a policy has decided is said already. */
function withoutMark(pod: Pod): Pod {
  const { [POLICY_ANNOTATION]: _, ...annotations } = pod.metadata?.annotations ?? {};
  const { annotations: __, ...metadata } = pod.metadata ?? {};
  return {
    ...pod,
    metadata: { ...metadata, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
  };
}
