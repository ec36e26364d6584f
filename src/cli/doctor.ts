import { examine, type Finding } from '../runtime/doctor.ts';
import { type Args, type Io, text } from './io.ts';
import { formatTable } from './table.ts';

const COLORS: Readonly<Record<Finding['state'], number>> = { ok: 32, limited: 33, missing: 31 };

/** Exit code 1 if podspace cannot work here. */
export async function run(args: Args, io: Io): Promise<number> {
  const findings = examine();
  if (text(args, 'output') === 'json') io.out(`${JSON.stringify(findings, null, 2)}\n`);
  else {
    const rows = findings.map(({ what, state, detail }) => [what, state, detail]);
    const paint = (cell: string, row: number, column: number): string => {
      const state = findings[row]?.state;
      return io.color.out && column === 1 && state !== undefined
        ? `\u001b[${COLORS[state]}m${cell}\u001b[39m`
        : cell;
    };
    io.out(formatTable(rows, paint));
    const lacks = findings.filter(({ means }) => means !== '');
    if (lacks.length > 0)
      io.out(`\nwhat that means\n${lacks.map(({ what, means }) => `  ${what}: ${means}\n`).join('')}`);
  }
  return findings.some(({ state, what }) => state === 'missing' && what !== 'user') ? 1 : 0;
}
