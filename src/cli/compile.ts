import { UserError } from '../base/errors.ts';
import { printable } from '../base/printable.ts';
import { formatOci } from '../oci/config.ts';
import type { Compiled } from '../program/compile.ts';
import { disassemble } from '../program/disassemble.ts';
import {
  NO_UID,
  type StagedContainer,
  stageAll,
  stageNetwork,
  stageSandbox,
  thisMachine,
} from '../runtime/stages.ts';
import { printWarnings, readInput } from './input.ts';
import { type Args, type Io, networkOptions, seccompOptions, text } from './io.ts';

/** Prints one stage of the pipeline: JSON, or a program's listing. */
export async function run(args: Args, io: Io): Promise<number> {
  const input = await readInput(args, io, () => NO_UID);
  printWarnings(io, input.warnings);
  const emit = text(args, 'emit');
  if (emit === 'pod') {
    io.out(`${JSON.stringify(input.pods.length === 1 ? input.pods[0] : input.pods, null, 2)}\n`);
    return 0;
  }
  const wanted = text(args, 'container');
  const machine = thisMachine(io.roots, { ...seccompOptions(args), ...networkOptions(args) });
  const all = stageAll(input.pods, input.objects, io.roots, machine);
  const staged = all.filter(({ container }) => wanted === undefined || container.name === wanted);
  if (staged.length === 0)
    throw new UserError(`container "${wanted}" is not in the manifest`, {
      hint: `there are: ${all.map(({ container }) => container.name).join(', ')}`,
    });
  if (emit === 'program' && wanted === undefined) {
    for (const pod of input.pods) {
      for (const [name, compiled] of stageSandbox(pod, io.roots, machine))
        io.out(`${heading(`${pod.metadata?.name} (${name})`, compiled)}${disassemble(compiled.program)}`);
      const network = stageNetwork(pod, machine);
      if (network !== undefined) io.out(`## ${pod.metadata?.name} (network): rtnetlink(7)\n${network}`);
    }
  }
  let exitCode = 0;
  for (const one of staged) {
    if (one.imageWarning !== undefined) printWarnings(io, [one.imageWarning]);
    if ('error' in one.stages) {
      io.err(
        `error: container "${one.container.name}": ${one.stages.reason}: ${printable(one.stages.error)}\n`,
      );
      exitCode = 1;
    } else io.out(print(one, emit ?? 'program', wanted === undefined));
  }
  return exitCode;
}

/** What the program is for, and how the process that runs it is made. */
function heading(name: string, { cloneFlags }: Compiled): string {
  return `## ${name}: clone3({flags=${['CLONE_VM', 'CLONE_VFORK', 'CLONE_PIDFD', ...cloneFlags].join('|')}})\n`;
}

function print({ pod, container, stages }: StagedContainer, emit: string, hasHeading: boolean): string {
  if ('error' in stages) return '';
  if (emit === 'program')
    return `${hasHeading ? heading(`${pod.metadata?.name}/${container.name}`, stages.compiled) : ''}${disassemble(stages.compiled.program)}`;
  return `${emit === 'security' ? JSON.stringify(stages.security, null, 2) : formatOci(stages.oci)}\n`;
}
