import { spawnSync } from 'node:child_process';

/** Bytes on disk. */
export function diskUsage(directory: string): number {
  const { stdout } = spawnSync('du', ['-s', '--block-size=1', '--', directory], { encoding: 'utf8' });
  return Number(stdout?.split('\t')[0] ?? 0) || 0;
}
