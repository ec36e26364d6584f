import { findPods } from '../runtime/pod-directory.ts';
import type { Io } from './io.ts';

/** Images and layers that running pods have. */
export function usedImages(io: Io): ReadonlySet<string> {
  return new Set(
    findPods(io.roots).flatMap(({ isAlive, record }) => (isAlive ? (record?.images ?? []) : [])),
  );
}

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

export function formatSize(bytes: number): string {
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  return `${(bytes / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${UNITS[step]}`;
}
