/** (d) Many pods from one Node program: one after the other, and all at once. */
import { readdirSync } from 'node:fs';
import { runPod } from '../../src/index.ts';
import { median } from './report.ts';
import { IMAGE, truePod } from './standalone.ts';

const milliseconds = (from: bigint): number => Number(process.hrtime.bigint() - from) / 1e6;
/** Bytes that are really in use, after a collection. */
const live = (): number => {
  global.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};
const resident = (): number => {
  global.gc?.();
  return process.memoryUsage().rss;
};
const openFiles = (): number => readdirSync('/proc/self/fd').length;

/** 500 pods, one after the other: the time of a pod must not grow with the number of pods before it. */
export async function oneAfterTheOther(count = 500): Promise<string> {
  const times: number[] = [];
  const files = openFiles();
  let early = 0;
  for (let i = 0; i < count; i++) {
    const start = process.hrtime.bigint();
    await runPod(truePod('bench'), { capture: false });
    times.push(milliseconds(start));
    if (i === count / 2) early = live();
  }
  const part = (from: number, to: number): string => median(times.slice(from, to)).toFixed(2);
  const grown = (live() - early) / 1024;
  return [
    `### (d) ${count} pods, one after the other`,
    '',
    '| pods | median ms a pod |',
    '|---|---:|',
    ...[0, 1, 2, 3, 4].map(
      i =>
        `| ${(i * count) / 5 + 1}–${((i + 1) * count) / 5} | ${part((i * count) / 5, ((i + 1) * count) / 5)} |`,
    ),
    '',
    `Live memory after half of them and after the last: ${(grown / (count / 2)).toFixed(2)} KiB more for each pod; open files: ${openFiles() - files} more.`,
    '',
  ].join('\n');
}

/** Pods that all run at the same moment. */
async function atOnce(
  count: number,
): Promise<{ readonly start: number; readonly end: number; readonly rss: number }> {
  const before = resident();
  const stop = new AbortController();
  const start = process.hrtime.bigint();
  let running = 0;
  let ready = (): void => {};
  const all = new Promise<void>(resolve => {
    ready = resolve;
  });
  const results = Array.from({ length: count }, (_, i) =>
    runPod(
      {
        ...truePod(`bench-${i}`),
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            {
              name: 'main',
              image: IMAGE,
              command: ['sh', '-c', 'trap "exit 0" TERM; echo; sleep 1000 & wait'],
            },
          ],
        },
      },
      {
        signal: stop.signal,
        capture: false,
        onStdout: () => {
          if (++running === count) ready();
        },
      },
    ),
  );
  await all;
  const started = milliseconds(start);
  const rss = (resident() - before) / count / 1024;
  const stopping = process.hrtime.bigint();
  stop.abort();
  await Promise.all(results);
  return { start: started / count, end: milliseconds(stopping) / count, rss };
}

/** 200 pods at once, beside fewer. */
export async function allAtOnce(): Promise<string> {
  const rows: string[] = [];
  for (const count of [10, 50, 200]) {
    const { start, end, rss } = await atOnce(count);
    rows.push(`| ${count} | ${start.toFixed(2)} | ${end.toFixed(2)} | ${rss.toFixed(0)} |`);
  }
  return [
    '### (d) pods that run at the same time',
    '',
    '| pods | ms a pod until all run | ms a pod to end them | KiB of podspace’s memory a pod |',
    '|---:|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n');
}
