import { readdirSync } from 'node:fs';
import t from 'tap';
import type { Instruction } from '../../src/program/program.ts';
import { stagesOf } from './stages.ts';

/** What has to hold in every program of every case, docs/security.md. */
const DIRECTORY = 'test/cases';
const RUN = '/run/podspace/pods/';
const cases = readdirSync(DIRECTORY, { withFileTypes: true }).filter(entry => entry.isDirectory());

const textOf = ({ operands }: Instruction, i: number): string => {
  const operand = operands[i];
  if (operand === undefined || operand.kind === 'slot') return '';
  return operand.kind === 'parameter' ? operand.name : operand.text;
};
const isCall = (instruction: Instruction | undefined, name: string, ...texts: readonly string[]): boolean =>
  instruction?.name === name && texts.every((text, i) => textOf(instruction, i) === text);

/** Calls that take a path and can make or open something there. */
const BY_PATH = ['openat', 'mkdirat', 'mknodat', 'symlinkat', 'mount', 'umount2', 'open_tree', 'move_mount'];

for (const { name } of cases) {
  t.test(name, t => {
    const { files, programs } = stagesOf(`${DIRECTORY}/${name}`, 'x64');
    const names = [...files.keys()].filter(file => file.endsWith('.program.txt'));
    t.equal(names.length, programs.length);
    for (const [i, { instructions }] of programs.entries()) {
      const file = names[i] ?? '';
      const index = (call: string, ...texts: readonly string[]): number =>
        instructions.findIndex(one => isCall(one, call, ...texts));
      for (const [pc, one] of instructions.entries())
        if (one.name === 'setresuid')
          t.ok(
            isCall(instructions[pc + 1], 'prctl', 'PR_SET_DUMPABLE', '0'),
            `${file}: its memory is hidden after instruction ${pc}`,
          );
      if (file.startsWith('(')) continue;

      t.ok(
        isCall(instructions[0], 'close_range', '3', '~0U', 'CLOSE_RANGE_CLOEXEC'),
        `${file}: first of all`,
      );
      t.equal(instructions.at(-1)?.name, 'execve', `${file}: last of all`);
      const closed = index('close_range', '3', '~0U', '0');
      t.ok(closed > 0, `${file}: nothing of the machine is open in the end`);
      const opened = instructions
        .slice(closed + 1)
        .filter(one =>
          ['openat', 'openat2', 'open_tree', 'fsopen', 'fsmount', 'socket'].includes(one.name ?? ''),
        );
      t.same(opened, [], `${file}: and nothing is opened after that`);
      const entered = instructions.findIndex(one => one.op === 'expect' && textOf(one, 1) === '1');
      t.ok(entered > closed, `${file}: where the working directory really is, is looked at`);

      // From where on paths are the container’s.
      const pivot = index(file.includes('.exec') ? 'setns' : 'pivot_root');
      const byPath = instructions
        .slice(Math.max(pivot, 0))
        .filter(one => BY_PATH.includes(one.name ?? '') && !isCall(one, 'openat2'));
      if (file.includes('.exec')) {
        // Nothing but the container's own terminal, through openat2.
        t.same(
          byPath.map(one => one.name),
          [],
          `${file}: no path of the container’s is followed`,
        );
        continue;
      }
      t.ok(pivot > 0 && pivot < closed, `${file}: the root of the machine goes`);
      t.same(
        byPath.filter(one => !isCall(one, 'umount2', '"."') && !isCall(one, 'mount', 'NULL', '"/"')),
        [],
        `${file}: after the pivot nothing is made or opened by path`,
      );
      // Below the container's root there are only fds, RootPaths.
      const below = instructions.filter(one =>
        one.operands.some((_, k) => textOf(one, k).includes(RUN) && /\/root\/[^"]/.test(textOf(one, k))),
      );
      t.same(below, [], `${file}: no path leads below its root from outside`);
      for (const [pc, one] of instructions.entries())
        if (one.name === 'openat2')
          t.match(textOf(one, 2), /RESOLVE_(IN_ROOT|BENEATH|NO_SYMLINKS)/, `${file}: ${pc} cannot leave`);
    }
    t.end();
  });
}
