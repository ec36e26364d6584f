import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { stringify } from 'yaml';
import { fileFailure, UserError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import type { Container, Pod } from '../kube/types.generated.ts';
import { hostArch } from '../native/library.ts';
import { mergeObservations } from '../oci/audit/merge.ts';
import type { Observation } from '../oci/audit/observation.ts';
import { type AuditedContainer, describeAudit, reportOn } from '../oci/audit/report.ts';
import type { Suggestion } from '../oci/audit/suggest.ts';
import { formatSeccomp } from '../oci/config.ts';
import { defaultProfile } from '../oci/seccomp/default-profile.ts';
import { resolveProfile } from '../oci/seccomp/profile.ts';
import type { ContainerStages } from '../pipeline.ts';
import { gatherHostFacts } from '../runtime/host-facts.ts';
import type { RunPodOptions } from '../runtime/run-options.ts';
import { profileRootOf } from '../runtime/seccomp.ts';
import type { Auditor } from './auditor.ts';
import type { Io } from './io.ts';

interface Watched {
  readonly pod: Pod;
  readonly container: Container;
  readonly stages: ContainerStages;
  readonly attempts: Observation[];
}

/** What audited pods did, and what would have been enough for them. */
export class AuditReport implements Auditor {
  readonly takesStdout: boolean;
  readonly #format: 'text' | 'json';
  readonly #profileRoot: string | undefined;
  readonly #watched = new Map<string, Watched>();

  constructor(format: 'text' | 'json', profileRoot: string | undefined, takesStdout = false) {
    this.#format = format;
    this.#profileRoot = profileRoot;
    this.takesStdout = takesStdout;
  }

  onAudited(pod: Pod): NonNullable<RunPodOptions['onAudited']> {
    return (container, stages, observation) => {
      const key = `${pod.metadata?.uid}/${container.name}`;
      const known = this.#watched.get(key);
      if (known === undefined) this.#watched.set(key, { pod, container, stages, attempts: [observation] });
      else known.attempts.push(observation);
    };
  }

  /** Writes the profiles, and prints. */
  report(io: Io): void {
    const root = profileRootOf(io.roots, this.#profileRoot);
    const { kernelRelease } = gatherHostFacts();
    const all = [...this.#watched.values()].map(({ pod, container, stages, attempts }) => {
      const { security, oci } = stages;
      const target = { capabilities: security.capabilities, arch: hostArch(), kernelRelease };
      const { name, namespace = 'default' } = pod.metadata ?? {};
      const localhostProfile = `audit/${namespace}_${name}_${container.name}.json`;
      const audited = reportOn({
        pod,
        container,
        security,
        seccomp: oci.linux.seccomp ?? resolveProfile(defaultProfile(), target),
        observation: mergeObservations(attempts),
        localhostProfile,
      });
      const file = `${root}/${localhostProfile}`;
      writeProfile(file, formatSeccomp(audited.profile));
      return { pod, audited, file, isFiltered: oci.linux.seccomp !== undefined };
    });
    if (this.#format === 'json') io.out(`${JSON.stringify(asJson(all), null, 2)}\n`);
    else for (const one of all) this.#print(io, one);
  }

  #print(io: Io, { pod, audited, file, isFiltered }: Reported): void {
    const [print, hasColor] = this.takesStdout ? [io.out, io.color.out] : [io.err, io.color.err];
    const bold = (line: string): string => (hasColor ? `\u001b[1m${line}\u001b[22m` : line);
    // Names of files are the container's to choose.
    const lines = [...describeAudit(audited, isFiltered), `seccomp profile of it: ${file}`].map(printable);
    print(`${bold(`audit of pod "${pod.metadata?.name}", container "${audited.name}"`)}\n`);
    print(lines.map(line => `  ${line}\n`).join(''));
    print(`${bold('enough for what it did:')}\n${suggestionText(audited.suggestion)}`);
  }
}

interface Reported {
  readonly pod: Pod;
  readonly audited: AuditedContainer;
  readonly file: string;
  readonly isFiltered: boolean;
}

/** The parts of a pod spec to paste, and what to think about first. */
function suggestionText({ securityContext, volumeMounts, volumes, notes }: Suggestion): string {
  const container = { securityContext, ...(volumeMounts.length === 0 ? {} : { volumeMounts }) };
  const parts = [
    stringify(container, { lineWidth: 0 }),
    ...(volumes.length === 0 ? [] : [`# and of the pod:\n${stringify({ volumes }, { lineWidth: 0 })}`]),
    ...notes.map(note => `# ${printable(note)}\n`),
  ];
  return parts
    .join('')
    .split('\n')
    .map(line => (line === '' ? '' : `  ${line}`))
    .join('\n');
}

function asJson(all: readonly Reported[]): unknown {
  const pods = [...new Set(all.map(({ pod }) => pod))].map(pod => ({
    name: pod.metadata?.name,
    namespace: pod.metadata?.namespace ?? 'default',
    containers: all
      .filter(each => each.pod === pod)
      .map(({ audited: { name, observation, denied, suggestion }, file }) => ({
        name,
        ...observation,
        denied,
        profile: file,
        suggestion,
      })),
  }));
  return pods.length === 1 ? pods[0] : { items: pods };
}

function writeProfile(file: string, text: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, `${text}\n`, { mode: 0o644 });
    renameSync(`${file}.new`, file);
  } catch (cause) {
    throw new UserError(`cannot write the profile "${file}": ${fileFailure(cause)}`, { cause });
  }
}
