import { type SpawnSyncReturns, spawnSync } from 'node:child_process';

/** Runs nft in a network namespace of its own, which goes with it; as somebody else than root in a user namespace, too. */
function nft(text: string): SpawnSyncReturns<string> {
  const unshare = process.geteuid?.() === 0 ? ['-n'] : ['-rn'];
  return spawnSync('unshare', [...unshare, 'nft', '-c', '-f', '-'], { input: text, encoding: 'utf8' });
}

/** For a test's options: why nft cannot be asked here, or false. */
export const needsNft: string | false = (() => {
  const { status, error, stderr } = nft('add table inet podspace\n');
  return status === 0 ? false : `nft is not there: ${error?.message ?? stderr}`;
})();

/** What nft and the kernel have against a rule set; empty if nothing. */
export function nftProblems(text: string): string {
  return nft(text).stderr;
}
