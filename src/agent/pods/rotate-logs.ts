import { renameSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { DetachedPod } from '../../runtime/detached.ts';
import { logFiles } from '../../runtime/keeper.ts';

/** The kubelet's containerLogMaxSize and containerLogMaxFiles. */
const MAX_SIZE = 10 << 20;
const MAX_FILES = 5;

/**
 * Moves logs away that have become large, and lets the shim begin new ones; what is printed in between is in the old file. The
 * oldest ones go.
 */
export function rotateLogs({ keeper, lifecycle }: DetachedPod, now = new Date()): void {
  for (const { name, attempt } of lifecycle.attempts()) {
    const directory = keeper.logDirectory(name);
    const current = `${attempt}.log`;
    const size = statSync(join(directory, current), { throwIfNoEntry: false })?.size ?? 0;
    if (size < MAX_SIZE) continue;
    // The kubelet's form of a time.
    const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').replace(/\..*/, '');
    renameSync(join(directory, current), join(directory, `${current}.${stamp}`));
    keeper.reopenLog(name, attempt);
    const files = logFiles(directory, attempt);
    for (const old of files.slice(0, Math.max(0, files.length - MAX_FILES))) unlinkSync(join(directory, old));
  }
}
