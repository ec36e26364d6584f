import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ImageStore } from '../../src/image/store.ts';
import { mergedLayers } from '../../src/native/detached-mount.ts';
import { type MadeEntry, tarOf } from '../unit/image/tar-builder.ts';
import { listTree } from '../unit/image/tree-listing.ts';
import { needsRoot, podspace, type Ran } from './harness.ts';

const dir = (name: string): MadeEntry => ({ name, type: '5', mode: 0o755 });
/** cap_net_raw=ep, as capabilities(7) has it in the attribute. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

/** What this machine has of files, and then what only an image can do to them. */
const MACHINE = [
  ['etc', 'usr/sbin'],
  ['usr/include/linux', 'usr/share/doc/podman'],
];
/** Directories that no entry speaks of have the time of their unpacking. */
const PARENTS = ['--no-recursion', '.', 'usr', 'usr/include', 'usr/share', 'usr/share/doc', '--recursion'];
const ON_TOP: readonly MadeEntry[] = [
  dir('odd'),
  { name: 'odd/capable', data: 'x', mode: 0o755, pax: { 'SCHILY.xattr.security.capability': CAPABILITY } },
  { name: 'odd/attribute', pax: { 'SCHILY.xattr.user.x': 'y' } },
  { name: 'odd/null', type: '3', major: 1, minor: 3, mode: 0o666 },
  { name: 'odd/disk', type: '4', major: 254, minor: 300 },
  { name: 'odd/pipe', type: '6' },
  { name: 'odd/sticky', type: '5', mode: 0o1777, uid: 1000, gid: 2000 },
  { name: 'odd/setuid', data: 'x', mode: 0o4711, uid: 3, gid: 4, mtime: 1 },
  { name: 'odd/hard', type: '1', link: 'odd/setuid' },
  { name: 'odd/link', type: '2', link: '/nowhere', uid: 5 },
  { name: 'odd/old', pax: { mtime: '-1.25' } },
  { name: 'odd/new', pax: { mtime: '1600000000.123456789', path: `odd/${'n'.repeat(200)}` } },
  { name: 'etc/.wh.shadow' },
  dir('usr/include/linux'),
  { name: 'usr/include/linux/.wh..wh..opq' },
  { name: 'usr/include/linux/only.h', data: 'x' },
  { name: 'usr/sbin', type: '5', mode: 0o711 },
  { name: 'etc/issue', type: '5', mode: 0o700 },
  { name: 'etc/issue/is-a-directory-now' },
];

const tool = (name: string, ...args: string[]): string =>
  execFileSync(name, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

/** An OCI layout by umoci, of two layers of files and one that takes some of them away. */
function setUp(t: Test): {
  readonly directory: string;
  readonly layout: string;
  run(...args: string[]): Ran;
} {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-tools-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const layout = join(directory, 'layout');
  tool('umoci', 'init', '--layout', layout);
  tool('umoci', 'new', '--image', `${layout}:v1`);
  const file = join(directory, 'layer.tar');
  for (const [i, part] of [...MACHINE, undefined].entries()) {
    const xattrs = ['--xattrs', '--xattrs-include=*'];
    if (part === undefined) writeFileSync(file, tarOf(ON_TOP));
    else
      tool(
        'tar',
        '--format=posix',
        '--numeric-owner',
        ...xattrs,
        '-cf',
        file,
        '-C',
        '/',
        ...PARENTS,
        ...part,
      );
    tool('umoci', 'raw', 'add-layer', '--image', `${layout}:v1`, '--history.comment', String(i), file);
  }
  tool('umoci', 'config', '--image', `${layout}:v1`, '--config.user', '3:4', '--config.cmd', 'true');
  rmSync(file);
  return { directory, layout, run: (...args) => podspace(['--root', join(directory, 'state'), ...args]) };
}

/** Everything of an image that overlayfs shows. */
function listing(state: string, name: string): readonly string[] {
  const store = new ImageStore(state);
  const image = store.get(name);
  if (image === undefined) throw new Error(`no ${name}`);
  const root = mergedLayers(store.layers(image).map(layer => join(state, layer)));
  try {
    return listTree(`/proc/self/fd/${root}/.`);
  } finally {
    closeSync(root);
  }
}

t.test('an image unpacked as by umoci, and passed on by skopeo', { skip: needsRoot }, t => {
  const { directory, layout, run } = setUp(t);
  const state = join(directory, 'state');
  t.match(run('image', 'import', 'localhost/app', layout), { status: 0, stderr: '' });
  const own = listing(state, 'localhost/app');
  tool('umoci', 'unpack', '--image', `${layout}:v1`, join(directory, 'bundle'));
  const theirs = listTree(join(directory, 'bundle/rootfs'));
  t.ok(own.length > 800, `${own.length} files`);
  t.same(own, theirs);

  const archive = join(directory, 'app.tar');
  tool('skopeo', 'copy', '-q', `oci:${layout}:v1`, `docker-archive:${archive}:localhost/docker:v1`);
  t.match(run('image', 'import', archive), {
    status: 0,
    stdout: /^imported localhost\/docker:v1 \(/,
    stderr: '',
  });
  t.same(listing(state, 'localhost/docker:v1'), own, 'a docker save archive of skopeo’s');

  const exported = join(directory, 'exported.tar');
  t.match(run('image', 'export', 'localhost/app', exported), { status: 0 });
  for (const kind of ['oci-archive', 'docker-archive']) {
    const again = join(directory, kind);
    tool('skopeo', 'copy', '-q', `${kind}:${exported}`, `oci:${again}:v1`);
    t.match(run('image', 'import', `localhost/${kind}`, again), { status: 0, stderr: '' });
    t.same(listing(state, `localhost/${kind}`), own, `skopeo reads an export as ${kind}`);
  }
  const config = JSON.parse(
    tool('skopeo', 'inspect', '--config', `oci:${directory}/oci-archive:v1`),
  ) as object;
  t.match(config, { config: { User: '3:4', Cmd: ['true'] } });
  for (const name of ['app', 'oci-archive', 'docker-archive'])
    t.equal(run('image', 'rm', `localhost/${name}`).status, 0);
  t.match(
    run('image', 'fsck'),
    { status: 0, stderr: '' },
    'the blobs that layers came of are gone, others are there',
  );
  t.end();
});
