import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { removeTree } from '../../../src/native/remove-tree.ts';
import { readLayer, writtenDirectories } from '../../../src/runtime/audit/written.ts';

/** An image with /etc/passwd, /tmp and /var/cache/app, and a layer over it as overlayfs would leave it. */
function layers(t: { teardown(undo: () => void): void }): { readonly image: string; readonly upper: string } {
  const root = mkdtempSync(join(tmpdir(), 'podspace-written-'));
  t.teardown(() => removeTree(root));
  const [image, upper] = [join(root, 'image'), join(root, 'upper')];
  for (const directory of ['etc', 'tmp', 'var/cache/app'])
    mkdirSync(join(image, directory), { recursive: true });
  writeFileSync(join(image, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\n');
  mkdirSync(upper);
  for (const path of ['etc', 'tmp', 'var/cache/app', 'var/cache', 'var', ''])
    utimesSync(join(image, path), 1000, 1000);
  utimesSync(upper, 1000, 1000);
  return { image, upper };
}

/** A directory that is copied up has the time of the image's. */
function copyUp(upper: string, path: string, time = 1000): void {
  mkdirSync(join(upper, path), { recursive: true });
  for (let at = path; at !== '.'; at = join(at, '..')) utimesSync(join(upper, at), time, time);
  utimesSync(upper, 1000, 1000);
}

const written = (
  { image, upper }: { readonly image: string; readonly upper: string },
  change: () => void,
): ReturnType<typeof writtenDirectories>['written'] => {
  const before = readLayer(upper);
  change();
  return writtenDirectories([image], before, readLayer(upper)).written;
};

t.test('nothing', t => {
  t.strictSame(
    written(layers(t), () => {}),
    [],
  );
  t.end();
});

t.test('a file that is changed, made, replaced by a link or removed counts for its directory', t => {
  const place = layers(t);
  const found = written(place, () => {
    copyUp(place.upper, 'etc');
    writeFileSync(join(place.upper, 'etc/passwd'), 'changed');
    symlinkSync('/nowhere', join(place.upper, 'etc/link'));
    utimesSync(join(place.upper, 'etc'), 1000, 1000);
  });
  t.strictSame(found, [{ path: '/etc', isNew: false, imageEntries: 1, names: ['link', 'passwd'] }]);
  t.end();
});

t.test('a file that came and went leaves the time', t => {
  const place = layers(t);
  const found = written(place, () => copyUp(place.upper, 'tmp', 2000));
  t.strictSame(found, [{ path: '/tmp', isNew: false, imageEntries: 0, names: [] }]);
  t.end();
});

t.test('what is only copied up on the way is not written to', t => {
  const place = layers(t);
  const found = written(place, () => {
    copyUp(place.upper, 'var/cache/app');
    writeFileSync(join(place.upper, 'var/cache/app/x'), '');
    utimesSync(join(place.upper, 'var/cache/app'), 1000, 1000);
  });
  t.strictSame(found, [{ path: '/var/cache/app', isNew: false, imageEntries: 0, names: ['x'] }]);
  t.end();
});

t.test('a new directory stands for all below it, and not for its parent', t => {
  const place = layers(t);
  const found = written(place, () => {
    mkdirSync(join(place.upper, 'data/a/b'), { recursive: true });
    writeFileSync(join(place.upper, 'data/a/b/c'), '');
    utimesSync(place.upper, 3000, 3000);
  });
  t.strictSame(found, [{ path: '/data', isNew: true, imageEntries: 0, names: [] }]);
  t.end();
});

t.test('a new directory in an empty one counts for that', t => {
  const place = layers(t);
  const found = written(place, () => {
    copyUp(place.upper, 'tmp', 2000);
    mkdirSync(join(place.upper, 'tmp/a/b'), { recursive: true });
    copyUp(place.upper, 'etc', 2000);
    mkdirSync(join(place.upper, 'etc/conf.d'));
  });
  t.strictSame(found, [
    { path: '/etc/conf.d', isNew: true, imageEntries: 0, names: [] },
    { path: '/tmp', isNew: false, imageEntries: 0, names: ['a'] },
  ]);
  t.end();
});

t.test('a mode that was changed is a write; mount points that were there before are not', t => {
  const place = layers(t);
  mkdirSync(join(place.upper, 'mnt/volume'), { recursive: true });
  writeFileSync(join(place.upper, 'mnt/file'), '');
  t.strictSame(
    written(place, () => {}),
    [],
  );
  const found = written(place, () => chmodSync(join(place.upper, 'mnt/volume'), 0o700));
  t.match(found, [{ path: '/mnt/volume' }]);
  t.end();
});

t.test('a file in the root itself', t => {
  const place = layers(t);
  t.match(
    written(place, () => writeFileSync(join(place.upper, 'x'), '')),
    [{ path: '/', names: ['x'] }],
  );
  t.end();
});

t.test('not all names of many, and a tree that is deeper than PATH_MAX ends somewhere', t => {
  const place = layers(t);
  const found = written(place, () => {
    copyUp(place.upper, 'tmp');
    for (let i = 0; i < 20; i++) writeFileSync(join(place.upper, `tmp/${i}`), '');
    const cwd = process.cwd();
    process.chdir(join(place.upper, 'tmp'));
    for (let i = 0; i < 30; i++) {
      mkdirSync('d'.repeat(200));
      process.chdir('d'.repeat(200));
    }
    process.chdir(cwd);
  });
  t.equal(found.find(({ path }) => path === '/tmp')?.names.length, 5);
  t.end();
});
