import { NO_UID, type StagedContainer, stageAll } from '../runtime/stages.ts';
import { explainContainer } from '../security/explain.ts';
import { printWarnings, readInput } from './input.ts';
import type { Args, Io } from './io.ts';
import { formatTable } from './table.ts';

/** Says in words what each setting of each container does, and where it came from. */
export async function run(args: Args, io: Io): Promise<number> {
  const input = readInput(args, () => NO_UID);
  printWarnings(io, input.warnings);
  let exitCode = 0;
  for (const staged of stageAll(input.pods, input.manifest, io.roots)) {
    if (!print(io, staged)) exitCode = 1;
  }
  return exitCode;
}

/** False for a container that would not be created. */
function print(io: Io, { pod, container, isInit, stages, imageWarning }: StagedContainer): boolean {
  const bold = (text: string): string => (io.color.out ? `\u001b[1m${text}\u001b[22m` : text);
  io.out(
    `${bold(`pod "${pod.metadata?.name}", ${isInit ? 'init container' : 'container'} "${container.name}"`)} (${container.image})\n`,
  );
  if (imageWarning !== undefined) printWarnings(io, [imageWarning]);
  if ('error' in stages) {
    io.out(`  would not be created: ${stages.reason}: ${stages.error}\n\n`);
    return false;
  }
  const { args, cwd } = stages.oci.process;
  const rows = explainContainer(pod, container, stages.security).map(({ topic, text, origin }) => [
    `  ${topic}`,
    origin,
    text,
  ]);
  io.out(
    formatTable([
      ['  SETTING', 'FROM', 'EFFECT'],
      [
        '  command',
        container.command === undefined ? 'image' : 'container',
        `${args.map(quote).join(' ')} in ${cwd}`,
      ],
      ...rows,
    ]),
  );
  for (const warning of stages.warnings)
    io.out(`  ${io.color.out ? '\u001b[33m!\u001b[39m' : '!'} ${warning}\n`);
  io.out('\n');
  return true;
}

function quote(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word);
}
