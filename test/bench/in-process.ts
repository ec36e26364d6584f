/** (a) A sandbox with all namespaces, from inside a Node program, beside C that makes the same system calls. */
import { execFileSync } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runPod } from '../../src/index.ts';
import { execute, executeSync, reap } from '../../src/native/execute.ts';
import { hostArch } from '../../src/native/library.ts';
import { median, type Row, row } from './report.ts';
import { type Standalone, truePod } from './standalone.ts';
import { toC } from './to-c.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 12);
const PER_ROUND = Number(process.env.PER_ROUND ?? 60);

/** Microseconds of each call. */
async function measure(body: () => unknown): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < PER_ROUND; i++) {
    const start = process.hrtime.bigint();
    await body();
    times.push(Number(process.hrtime.bigint() - start) / 1000);
  }
  return times;
}

export async function inProcess(standalone: Standalone): Promise<readonly Row[]> {
  const output = openSync('/dev/null', 'w');
  const parameters = { stdout: output, stderr: output };
  const source = join(standalone.directory, 'same.c');
  const binary = join(standalone.directory, 'same');
  const compiled = standalone.compile();
  writeFileSync(source, toC(compiled, { stdout: 3, stderr: 3 }, hostArch()));
  execFileSync('cc', ['-O2', '-w', '-o', binary, source]);
  const subjects: readonly (readonly [string, () => Promise<number[]>])[] = [
    [
      'C, the same system calls',
      async () =>
        execFileSync(binary, [String(PER_ROUND)], {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'inherit', output],
        })
          .trim()
          .split('\n')
          .map(text => Number(text) / 1000),
    ],
    ['podspace, compiled once', () => measure(() => reap(executeSync(compiled, { parameters })))],
    [
      'podspace, compiled once, in a thread',
      () => measure(async () => reap(await execute(compiled, { parameters }))),
    ],
    [
      'podspace, compiled each time',
      () => measure(() => reap(executeSync(standalone.compile(), { parameters }))),
    ],
    [
      'podspace, runPod() of a one-container pod',
      () => measure(() => runPod(truePod('bench'), { capture: false })),
    ],
  ];
  const times = subjects.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, [, run]] of subjects.entries()) {
      const taken = await run();
      // The first rounds warm both sides up.
      if (round > 1) times[i]?.push(...taken);
    }
  const base = median(times[0] ?? []);
  return subjects.map(([name], i) => row(name, times[i] ?? [], base));
}
