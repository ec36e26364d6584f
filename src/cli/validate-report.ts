import { createTwoFilesPatch } from 'diff';
import type { AdmissionRequest, Breach } from '../admission/admission.ts';
import { type Judgement, judgePod } from '../admission/judge.ts';
import { POLICY_ANNOTATION } from '../admission/pod-security-policy/admit.ts';
import { printable } from '../base/printable.ts';
import { asWritten, type InvalidObjectError, InvalidObjectsError } from '../kube/invalid-object.ts';
import type { LoadedPod, Manifest, ObjectSource } from '../kube/manifest.ts';
import type { SourceError } from '../kube/source.ts';
import type { Pod } from '../kube/types.generated.ts';
import { type AdmissionOptions, gatherAdmission } from '../runtime/admission.ts';
import { withName } from './input.ts';
import type { Io } from './io.ts';
import { type Finding, sarif } from './sarif.ts';
import { version } from './version.ts';
import { formatYaml } from './yaml-text.ts';

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
  let request: AdmissionRequest;
  try {
    request = gatherAdmission(io.roots, manifest.others, options);
  } catch (error) {
    if (!(error instanceof InvalidObjectsError) || format === undefined) throw error;
    printUnusable(io, error.objects.flatMap(invalidFindings), format);
    return 1;
  }
  const judged = manifest.pods.map(pod => judge(withName(pod), request));
  for (const warning of new Set(manifest.warnings)) io.err(`Warning: ${printable(warning)}\n`);
  if (format === 'json') printJson(io, { pods: judged.map(asJson) });
  else if (format === 'sarif') printJson(io, sarif(judged.flatMap(allFindings), version()));
  else printText(io, judged);
  return judged.every(({ isAdmitted }) => isAdmitted) ? 0 : 1;
}

function judge(loaded: LoadedPod, request: AdmissionRequest): Judged {
  const judgement = judgePod(loaded, request);
  const { source } = loaded;
  return {
    ...judgement,
    loaded,
    errors: judgement.breaches.flatMap(breach => findings(source, breach, 'error')),
    notes: judgement.unsupported.flatMap(breach => findings(source, breach, 'note')),
  };
}

function printJson(io: Io, document: object): void {
  io.out(`${JSON.stringify(document, null, 2)}\n`);
}

/** Files that cannot be read as manifests, for programs. */
export function printUnreadable(io: Io, errors: readonly SourceError[], format: NonNullable<Format>): void {
  const all = errors.map(({ file, line, column, message, hint }): Finding => {
    const text = hint === undefined ? message : `${message}; ${hint}`;
    return { ruleId: 'Unreadable', level: 'error', message: text, file, line, column };
  });
  printUnusable(io, all, format);
}

/** Nothing is decided about any pod: of the files, or of what is to decide, something is wrong. */
function printUnusable(io: Io, errors: readonly Finding[], format: NonNullable<Format>): void {
  printJson(io, format === 'sarif' ? sarif(errors, version()) : { pods: [], errors });
}

/** A policy, role or namespace that an API server would refuse. */
function invalidFindings({ source, fields }: InvalidObjectError): readonly Finding[] {
  return fields.flatMap(({ message, path }) =>
    findings(source, { rule: 'Invalid', message, paths: [path] }, 'error'),
  );
}

/** One for each place; where a breach has none, at the pod. */
function findings(
  source: ObjectSource,
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
  return [...errors, ...warned.flatMap(breach => findings(loaded.source, breach, 'warning')), ...notes];
}

/** Of a generated name only the beginning is known, and the same each time. */
function identityOf({ isNameGenerated = false }: LoadedPod, { metadata = {} }: Pod) {
  const { name = '', generateName = '', namespace = 'default' } = metadata;
  return isNameGenerated ? { generateName, namespace } : { name, namespace };
}

function asJson({ loaded, isAdmitted, after, policy, answer, errors, warnings, notes }: Judged): unknown {
  const { file, locate } = loaded.source;
  return {
    ...identityOf(loaded, after),
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

function printText(io: Io, judged: readonly Judged[]): void {
  const color = (code: number, line: string): string =>
    io.color.out ? `\u001b[${code}m${line}\u001b[39m` : line;
  for (const one of judged) {
    const { loaded, isAdmitted, policy, errors, notes } = one;
    const at = place({ file: loaded.source.file, ...loaded.source.locate('') });
    const verdict = isAdmitted ? color(32, 'admitted') : color(31, 'denied');
    const by =
      policy === undefined
        ? ''
        : ` by PodSecurityPolicy "${policy.policy.metadata.name}", which ${policy.allowedBy.name} may use`;
    io.out(`${printable(`${at}: ${subject(one)}`)}: ${verdict}${isAdmitted ? printable(by) : ''}\n`);
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

const place = ({ file, line, column }: Pick<Finding, 'file' | 'line' | 'column'>): string =>
  `${file}:${line}:${column}`;

function subject({ loaded, after }: Judged): string {
  const { name, generateName = '', namespace } = identityOf(loaded, after);
  const { owner } = loaded;
  const own = name ?? generateName;
  const pod = `pod "${namespace === 'default' ? own : `${namespace}/${own}`}"`;
  return owner === undefined ? pod : `${pod} of ${owner.kind} "${owner.name}"`;
}

/** What the policy has changed, as a diff of YAML. */
function difference(
  { loaded, before, after }: Judged,
  color: (code: number, line: string) => string,
): string {
  const text = (pod: Pod): string => formatYaml(asWrittenBy(loaded, pod));
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

/** Without what podspace has set itself: the name, and the mark of the policy that has decided, which is named already. */
function asWrittenBy({ isNameGenerated = false }: LoadedPod, pod: Pod): Pod {
  const { annotations: all = {}, name, ...metadata } = pod.metadata ?? {};
  const { [POLICY_ANNOTATION]: _, ...annotations } = all;
  return {
    ...pod,
    metadata: {
      ...(isNameGenerated ? {} : { name }),
      ...metadata,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
  };
}
