import { spawnSync } from 'node:child_process';

/** For a test's options: what is missing for a network of its own, or false. */
export const needsNetwork: string | false = (() => {
  const missing = ['nft', 'ip', 'cc', 'unshare', 'nsenter'].filter(
    program => spawnSync(program, ['--version']).error !== undefined,
  );
  if (missing.length > 0) return `needs ${missing.join(', ')}`;
  const { status, stderr } = spawnSync('unshare', ['-n', 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
  return status === 0 ? false : `no network namespace with nftables: ${stderr.trim()}`;
})();
