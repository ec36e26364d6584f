import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { removeTree } from '../../../src/native/remove-tree.ts';

t.test('everything in a directory, and nothing that a link points to', t => {
  const root = t.testdir({
    outside: { file: 'stays', inner: { file: 'stays' } },
    tree: { file: '', deep: { deeper: { file: '' } }, empty: {} },
  });
  const tree = join(root, 'tree');
  symlinkSync('../outside', join(tree, 'link'));
  symlinkSync('/nowhere', join(tree, 'dangling'));
  symlinkSync('../../outside/file', join(tree, 'deep/link'));
  chmodSync(join(tree, 'file'), 0);
  chmodSync(join(tree, 'empty'), 0o500);
  removeTree(tree);
  t.notOk(existsSync(tree));
  t.same(readdirSync(join(root, 'outside')).sort(), ['file', 'inner']);
  t.equal(readFileSync(join(root, 'outside/inner/file'), 'utf8'), 'stays');
  t.doesNotThrow(() => removeTree(tree), 'what is not there is no error');
  t.throws(() => removeTree(join(root, 'outside/file')), { code: 'ENOTDIR' });
  t.end();
});

t.test('names of any bytes', t => {
  const tree = join(t.testdir(), 'tree');
  for (const name of ['caf\xe9', '\xff\xfe', 'a\nb', '\x01', '-rf', ' ', '\xe2\x82']) {
    const directory = Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(name, 'latin1')]);
    mkdirSync(directory, { recursive: true });
    writeFileSync(Buffer.concat([directory, Buffer.from(`/${name}`, 'latin1')]), '');
  }
  writeFileSync(join(tree, '日本'), '');
  removeTree(tree);
  t.notOk(existsSync(tree));
  t.end();
});

// One step at a time, as a container can: no path is as long as the tree is deep.
const BUILD = `
import os, sys
name, levels = sys.argv[2], int(sys.argv[3])
os.chdir(sys.argv[1])
for level in range(levels):
    os.mkdir(name)
    os.chdir(name)
    if level % 7 == 0: open("file", "w").close()
    if level % 11 == 0: os.mkdir("other")
`;
const needsPython = spawnSync('python3', ['-V']).status === 0 ? false : 'needs python3';

for (const [name, levels] of [
  ['d'.repeat(200), 100],
  ['d'.repeat(255), 40],
  ['d', 5000],
] as const) {
  t.test(`${levels} levels of a name of ${name.length} letters`, { skip: needsPython }, t => {
    const root = t.testdir({ beside: 'stays' });
    mkdirSync(join(root, 'tree'));
    const { status, stderr } = spawnSync('python3', ['-c', BUILD, join(root, 'tree'), name, String(levels)], {
      encoding: 'utf8',
    });
    t.equal(status, 0, stderr);
    removeTree(join(root, 'tree'));
    t.same(readdirSync(root), ['beside']);
    t.end();
  });
}
