import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { leftovers, needsRoot, PODSPACE, probePod } from './harness.ts';
import { sh } from './hostile.ts';

/**
 * On most machines mounts are shared, and what a privileged container mounts below a volume with mountPropagation:
 * Bidirectional arrives there. It must be gone with the pod, and nothing of what was mounted may be removed with it.
 */
const SHARED = ['-m', '--propagation', 'shared', 'sh', '-c'];

interface Place {
  readonly manifest: string;
  readonly canary: string;
}

function setUp(t: Test, script: string): Place {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-propagation-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const canary = join(directory, 'canary');
  mkdirSync(join(canary, 'deep'), { recursive: true });
  writeFileSync(join(canary, 'deep/file'), 'untouched\n');
  const manifest = join(directory, 'pod.json');
  const volumes = [
    { name: 'v', emptyDir: {} },
    { name: 'canary', hostPath: { path: canary } },
  ];
  const container = {
    image: 'localhost/busybox',
    ...sh(
      `set -e; mkdir "/v/a b" /v/tmp; mount --bind /canary "/v/a b"; mount -t tmpfs none /v/tmp; ${script}`,
    ),
    securityContext: { privileged: true },
    volumeMounts: [
      { name: 'v', mountPath: '/v', mountPropagation: 'Bidirectional' },
      { name: 'canary', mountPath: '/canary' },
    ],
  };
  writeFileSync(manifest, JSON.stringify(probePod({ volumes }, container)));
  return { manifest, canary };
}

const look = 'echo "left: $(grep -c /podspace/pods/ /proc/self/mountinfo)"';

t.test('what a container has mounted on the machine is unmounted, not emptied', { skip: needsRoot }, t => {
  const { manifest, canary } = setUp(t, 'echo mounted');
  const script = `"$0" "$1" run "$2"; echo "status $?"; ${look}`;
  const ran = spawnSync('unshare', [...SHARED, script, process.execPath, PODSPACE, manifest], {
    encoding: 'utf8',
  });
  t.equal(ran.stdout, 'mounted\nstatus 0\nleft: 0\n', ran.stderr);
  t.strictSame(readdirSync(join(canary, 'deep')), ['file']);
  t.strictSame(leftovers(), []);
  t.end();
});

t.test('so it is by gc, when podspace was killed', { skip: needsRoot }, async t => {
  const { manifest, canary } = setUp(t, 'echo mounted; sleep 60');
  const script = [
    '"$0" "$1" run "$2" & run=$!',
    'read go; kill -9 $run; wait $run 2>/dev/null',
    'echo "before: $(grep -c /podspace/pods/ /proc/self/mountinfo)"',
    `"$0" "$1" gc >/dev/null; echo "gc $?"; ${look}`,
  ].join('\n');
  const child = spawn('unshare', [...SHARED, script, process.execPath, PODSPACE, manifest]);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
    if (output === 'mounted\n') child.stdin.end('go\n');
  });
  await new Promise(resolve => child.once('close', resolve));
  t.equal(output, 'mounted\nbefore: 2\ngc 0\nleft: 0\n');
  t.strictSame(readdirSync(join(canary, 'deep')), ['file']);
  t.strictSame(leftovers(), []);
});
