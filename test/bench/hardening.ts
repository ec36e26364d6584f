/** (e) What each setting of HARDENING costs: the same pod without it and with it, in turns. Runs on the machine's own cgroups. */

import { median } from './report.ts';
import { timePod } from './time-pod.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 12) * 10;
const LIMITS = { resources: { limits: { cpu: '500m', memory: '64Mi' } } };
const FILTER = { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } };

const VARIANTS: Readonly<Record<string, readonly [spec: object, container: object]>> = {
  'a pod that says nothing': [{}, {}],
  'seccompProfile: RuntimeDefault': [FILTER, {}],
  'limits of cpu and memory': [{}, LIMITS],
  'hostUsers: false': [{ hostUsers: false }, {}],
  'all three': [{ ...FILTER, hostUsers: false }, LIMITS],
};

/** Microseconds of all of the pod, and of the syscall programs in it. */
async function once([spec, container]: readonly [object, object]): Promise<readonly [number, number]> {
  let programs = 0;
  const total = await timePod(
    spec,
    container,
    { podCidrs: undefined },
    {
      onTrace: (_name, program, report) => {
        const last = report.nanoseconds(program.instructions.length - 1) || report.nanoseconds(report.pc - 1);
        programs += Number(last - report.startNanoseconds) / 1000;
      },
    },
  );
  return [total, programs];
}

const times = Object.keys(VARIANTS).map(() => ({ total: [] as number[], programs: [] as number[] }));
for (let round = 0; round < ROUNDS; round++)
  for (const [i, variant] of Object.values(VARIANTS).entries()) {
    const [total, programs] = await once(variant);
    // The first ones warm everything up.
    if (round < ROUNDS / 6) continue;
    times[i]?.total.push(total);
    times[i]?.programs.push(programs);
  }
const rows = Object.keys(VARIANTS).map((name, i) => {
  const [total, programs] = [median(times[i]?.total ?? []), median(times[i]?.programs ?? [])];
  const [firstTotal, firstPrograms] = [median(times[0]?.total ?? []), median(times[0]?.programs ?? [])];
  const cells = [programs / 1000, programs / firstPrograms, total / 1000, total / firstTotal];
  return `| ${name} | ${cells.map(cell => cell.toFixed(2)).join(' | ')} |`;
});
console.log(
  [
    '### (e) what hardening costs: sandbox and container of a pod that runs `true`',
    '',
    '| | system calls, median ms | × the first | runPod(), median ms | × the first |',
    '|---|---:|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n'),
);
