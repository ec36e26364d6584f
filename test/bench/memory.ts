import { readFileSync } from 'node:fs';

/** KiB: what is resident of a process, and its share of that (PSS). Nothing of a process that has gone. */
export function memoryOf(pid: number): { readonly rss: number; readonly pss: number } {
  let text = '';
  try {
    text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  } catch {
    // gone
  }
  const value = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { rss: value('Rss'), pss: value('Pss') };
}
