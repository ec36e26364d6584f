// Rewrites every generated file, or with --check fails if one is stale.
import { spawnSync } from 'node:child_process';

const GENERATORS = ['generate-linux.mjs', 'generate-layout.mjs', 'generate-kube.mjs', 'generate-fields.mjs'];
for (const script of GENERATORS) {
  const { status } = spawnSync(process.execPath, [`scripts/${script}`, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
