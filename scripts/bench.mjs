// Measures podspace beside what else is installed, in one run: npm run bench [-- --write], as root. See docs/benchmarks.md.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { build } from 'esbuild';
import { inPrivateNode } from './private-node.mjs';

const OUT = 'build/bench';
const setup = spawnSync('bash', ['scripts/setup.sh', 'bench'], { stdio: 'inherit' });
if (setup.status !== 0) process.exit(1);
await build({
  entryPoints: [
    'test/bench/main.ts',
    'test/bench/agent.ts',
    'test/bench/hardening.ts',
    'test/bench/images.ts',
    'test/bench/network.ts',
    'test/bench/oci.ts',
    'test/bench/rules.ts',
    'test/bench/throughput.ts',
  ],
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  outdir: OUT,
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
});

// Debian's crun refuses a hybrid machine, so there everybody is measured in a view of its cgroup v2 alone.
const isUnified = existsSync('/sys/fs/cgroup/cgroup.controllers');
const node = [process.execPath, '--expose-gc', `${OUT}/main.mjs`, ...process.argv.slice(2)];
const view = ['unshare', '-m', 'sh', '-c', 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"', 'sh'];
const [command, ...args] = inPrivateNode(isUnified ? node : [...view, ...node]);
const env = { ...process.env };
delete env.NODE_EXTRA_CA_CERTS; // reading it is 35 ms of every start of Node 20
// Limits need the controllers that the machine has, in whatever version.
for (const part of ['hardening', 'network', 'rules', 'throughput', 'images', 'oci', 'agent']) {
  const [first, ...rest] = inPrivateNode([process.execPath, `${OUT}/${part}.mjs`]);
  const { stdout, stderr, status } = spawnSync(first, rest, { encoding: 'utf8', env });
  process.stderr.write(stderr);
  if (status !== 0) process.exit(1);
  env[`PODSPACE_BENCH_${part.toUpperCase()}`] = stdout;
}
process.exit(spawnSync(command, args, { stdio: 'inherit', env }).status ?? 1);
