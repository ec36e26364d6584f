import { readFileSync } from 'node:fs';
import { acceptPod } from '../../src/admission/accept.ts';
import { explain } from '../../src/cli/explain.ts';
import { loadManifest } from '../../src/kube/manifest.ts';
import type { Arch } from '../../src/linux/arch.ts';
import { formatOci } from '../../src/oci/config.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { compileExec } from '../../src/program/compile.ts';
import { disassemble } from '../../src/program/disassemble.ts';
import type { Program } from '../../src/program/program.ts';
import { NO_UID, stageAll, stageNetwork, stageSandbox } from '../../src/runtime/stages.ts';
import { machineOf } from './machine.ts';

export interface CaseStages {
  /** File name → what should be in it. */
  readonly files: ReadonlyMap<string, string>;
  readonly programs: readonly Program[];
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Everything that the pipeline prints of a case's pods. */
export function stagesOf(directory: string, arch: Arch): CaseStages {
  const text = readFileSync(`${directory}/pod.yaml`, 'utf8');
  const manifest = loadManifest([{ file: 'pod.yaml', text }]);
  const files = new Map<string, string>();
  const programs: Program[] = [];
  const add = (file: string, program: Program): void => {
    programs.push(program);
    files.set(file, disassemble(program));
  };
  const machine = machineOf(arch);
  const accepted = manifest.pods.map(loaded => acceptPod(loaded, NO_UID));
  const pods = accepted.map(({ pod }) => pod);
  files.set('pod.json', json(pods.length === 1 ? pods[0] : pods));
  for (const pod of pods) {
    for (const [name, { program }] of stageSandbox(pod, DEFAULT_ROOTS, machine))
      add(`(${name}).program.txt`, program);
    const network = stageNetwork(pod, machine);
    if (network !== undefined) files.set('(network).txt', network);
  }
  const pages = stageAll(pods, manifest, DEFAULT_ROOTS, machine).map(staged => {
    const { container, stages } = staged;
    if (!('error' in stages)) {
      files.set(`${container.name}.security.json`, json(stages.security));
      files.set(`${container.name}.oci.json`, `${formatOci(stages.oci)}\n`);
      add(`${container.name}.program.txt`, stages.compiled.program);
      for (const terminal of [false, true]) {
        const process = { ...stages.oci.process, args: ['sh'], terminal };
        const file = `${container.name}.exec${terminal ? '-t' : ''}.program.txt`;
        const { seccomp } = stages.plan;
        const base = stages.oci.linux.uidMappings?.[0]?.hostID;
        const hostRoot = base === undefined ? {} : { hostRoot: base };
        const plan = { process, seccomp, cgroupProcs: [], isDetachable: terminal, ...hostRoot };
        add(file, compileExec(plan, arch).program);
      }
    }
    return explain(staged, false);
  });
  const warnings = [...manifest.warnings, ...accepted.flatMap(one => one.warnings)];
  files.set('explain.txt', [...warnings.map(warning => `Warning: ${warning}\n`), ...pages].join('\n'));
  return { files, programs };
}
