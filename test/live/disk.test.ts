import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ImageStore } from '../../src/image/store.ts';
import { DEFAULT_ROOTS } from '../../src/oci/pod-paths.ts';
import { leftovers, needsRoot, PODSPACE, probePod } from './harness.ts';
import { sh } from './hostile.ts';

/** All of podspace's files on a small disk of their own, in a mount namespace of the test's. */
function onSmallDisk(script: string): Readonly<Record<string, string>> {
  const store = new ImageStore(DEFAULT_ROOTS.state);
  const image = store.get('localhost/busybox');
  if (image === undefined) throw new Error('no busybox image');
  const disk = mkdtempSync(join(tmpdir(), 'podspace-disk-'));
  try {
    const setUp = [
      'mount -t tmpfs -o size=12m none "$DISK"',
      'podspace() { "$NODE" "$PODSPACE" --root "$DISK" "$@"; }',
      'podspace image import localhost/busybox "$ROOTFS" >/dev/null || exit 1',
      'left() { (cd "$DISK" && ls -d run* pods* names* 2>/dev/null) | wc -l; }',
    ];
    const { stdout } = spawnSync('unshare', ['-m', 'sh', '-c', [...setUp, script].join('\n')], {
      encoding: 'utf8',
      env: {
        ...process.env,
        DISK: disk,
        NODE: process.execPath,
        PODSPACE,
        ROOTFS: join(DEFAULT_ROOTS.state, store.layers(image)[0] ?? ''),
        ...pods,
      },
    });
    return Object.fromEntries(stdout.split('\n').map(line => line.split(/: (.*)/).slice(0, 2)));
  } finally {
    rmSync(disk, { recursive: true });
  }
}

const podOf = (script: string, spec: object = {}): string =>
  JSON.stringify(probePod(spec, { image: 'localhost/busybox', ...sh(script) }));
const SPECS = { plain: {}, shared: { shareProcessNamespace: true }, users: { hostUsers: false } };
const pods = {
  ...Object.fromEntries(
    Object.entries(SPECS).map(([name, spec]) => [`pod_${name}`, podOf('echo fine', spec)]),
  ),
  pod_fills: podOf('cat /dev/zero > /big; test $(stat -c %s /big) -gt 1000000 && echo fine'),
};
const each = (command: string): string =>
  Object.keys(SPECS)
    .map(name => `echo "${name}: $(printf %s "$pod_${name}" | ${command} 2>&1 | head -n 1); left $(left)"`)
    .join('\n');

t.test('a container that fills the disk', { skip: needsRoot }, t => {
  const said = onSmallDisk(
    'echo "fills: $(printf %s "$pod_fills" | podspace run - 2>/dev/null); left $(left)"',
  );
  t.equal(said.fills, 'fine; left 0');
  t.strictSame(leftovers(), []);
  t.end();
});

t.test('a disk that is full when a pod starts', { skip: needsRoot }, t => {
  const said = onSmallDisk(
    [
      'cat /dev/zero > "$DISK/filler" 2>/dev/null',
      each('podspace run -'),
      'echo "import: $(podspace image import localhost/two "$ROOTFS" 2>&1); left $(ls "$DISK/images/roots" | wc -l)"',
      'echo "gc: $(podspace gc)"',
      'rm "$DISK/filler"; echo "after: $(printf %s "$pod_plain" | podspace run -)"',
    ].join('\n'),
  );
  for (const name of Object.keys(SPECS))
    t.match(said[name], /^error: cannot write the pod's files, in \S+ and \S+: ENOSPC: .*; left 0$/, name);
  t.match(said.import, /^error: cannot import .*No space left on device; left 1$/);
  t.equal(said.gc, 'nothing to remove');
  t.equal(said.after, 'fine');
  t.strictSame(leftovers(), []);
  t.end();
});

t.test('a disk that becomes full on the way', { skip: needsRoot }, t => {
  const said = onSmallDisk(
    [
      'for free in 4 8 12 16 20 24 28 32 40 48; do',
      '  available=$(df -k --output=avail "$DISK" | tail -n 1)',
      '  head -c $(((available - free) * 1024)) /dev/zero > "$DISK/filler"',
      '  said=$(printf %s "$pod_plain" | podspace run - 2>&1)',
      '  rm "$DISK/filler"; echo "$free: $(echo "$said" | grep -o "fine\\|ENOSPC" | sort -u | xargs); left $(left)"',
      'done',
    ].join('\n'),
  );
  const outcomes = Object.entries(said).filter(([free]) => free !== '');
  t.comment(JSON.stringify(outcomes));
  t.equal(outcomes.length, 10);
  for (const [free, outcome] of outcomes)
    t.match(outcome, /^(fine|ENOSPC|ENOSPC fine); left 0$/, `${free} KiB`);
  t.strictSame(leftovers(), []);
  t.end();
});

t.test('a disk that may not be written to', { skip: needsRoot }, t => {
  const said = onSmallDisk(
    [
      'mount -o remount,ro "$DISK"',
      each('podspace run -'),
      'echo "import: $(podspace image import localhost/two "$ROOTFS" 2>&1 | head -n 1)"',
      'echo "remove: $(podspace image rm localhost/busybox 2>&1 | head -n 1)"',
      'echo "list: $(podspace image ls | grep -c busybox)"',
      'echo "gc: $(podspace gc)"',
    ].join('\n'),
  );
  for (const name of Object.keys(SPECS))
    t.match(said[name], /^error: .*EROFS: read-only file system, mkdir .*; left 0$/, name);
  t.match(said.import, /^error: EROFS: read-only file system, mkdir /);
  t.match(said.remove, /^error: EROFS: read-only file system, unlink /);
  t.equal(said.list, '1');
  t.equal(said.gc, 'nothing to remove');
  t.strictSame(leftovers(), []);
  t.end();
});
