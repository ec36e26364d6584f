import { collectGarbage } from '../runtime/gc.ts';
import { type Args, flag, type Io } from './io.ts';
import { requireRoot } from './root.ts';

/** Removes what podspace commands that were killed have left; says each thing. */
export async function run(args: Args, io: Io): Promise<number> {
  requireRoot();
  const isDry = flag(args, 'dry-run');
  const removed = await collectGarbage(io.roots, isDry);
  for (const what of removed) io.out(`${isDry ? 'would remove' : 'removed'} ${what}\n`);
  if (removed.length === 0) io.out('nothing to remove\n');
  return 0;
}
