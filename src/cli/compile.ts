import { UserError } from '../base/errors.ts';
import { disassemble } from '../program/disassemble.ts';
import { NO_UID, type StagedContainer, stageAll } from '../runtime/stages.ts';
import { printWarnings, readInput } from './input.ts';
import { type Args, type Io, text } from './io.ts';

/** Prints one stage of the pipeline: JSON, or a program's listing. */
export async function run(args: Args, io: Io): Promise<number> {
  const input = readInput(args, () => NO_UID);
  printWarnings(io, input.warnings);
  const emit = text(args, 'emit');
  if (emit === 'pod') {
    io.out(`${JSON.stringify(input.pods.length === 1 ? input.pods[0] : input.pods, null, 2)}\n`);
    return 0;
  }
  const wanted = text(args, 'container');
  const all = stageAll(input.pods, input.manifest, io.roots);
  const staged = all.filter(({ container }) => wanted === undefined || container.name === wanted);
  if (staged.length === 0)
    throw new UserError(`container "${wanted}" is not in the manifest`, {
      hint: `there are: ${all.map(({ container }) => container.name).join(', ')}`,
    });
  let exitCode = 0;
  for (const one of staged) {
    if (one.imageWarning !== undefined) printWarnings(io, [one.imageWarning]);
    if ('error' in one.stages) {
      io.err(`error: container "${one.container.name}": ${one.stages.reason}: ${one.stages.error}\n`);
      exitCode = 1;
    } else io.out(print(one, emit ?? 'program', staged.length > 1));
  }
  return exitCode;
}

function print({ pod, container, stages }: StagedContainer, emit: string, isOneOfMany: boolean): string {
  if ('error' in stages) return '';
  if (emit === 'program')
    return `${isOneOfMany ? `## ${pod.metadata?.name}/${container.name}\n` : ''}${disassemble(stages.compiled.program)}`;
  return `${JSON.stringify(emit === 'security' ? stages.security : stages.oci, null, 2)}\n`;
}
