import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Script } from 'node:vm';
import t from 'tap';
import { needsRoot } from './harness.ts';

/** The code cache beside the command is code that root runs. */
t.test('a code cache that others could have written is not used', { skip: needsRoot }, t => {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-cache-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  for (const name of ['podspace.js', 'podspace-main.cjs', 'podspace-help.cjs', 'native'])
    cpSync(join('dist', name), join(directory, name), { recursive: true });
  symlinkSync(resolve('node_modules'), join(directory, 'node_modules'));
  const run = (): string =>
    spawnSync(process.execPath, [join(directory, 'podspace.js'), 'ps'], { encoding: 'utf8' }).stdout;
  t.match(run(), /^NAMESPACE/);
  const name = readdirSync(directory).find(file => file.startsWith('.cache-')) ?? '';
  const cache = join(directory, name);
  t.equal(statSync(cache).mode & 0o777, 0o600);

  // Of another program. V8 knows the program that it is for by its length.
  const bundle = join(directory, 'podspace-main.cjs');
  const { size } = statSync(bundle);
  const evil = 'console.log("owned"); process.exit(0); //';
  const bytes = new Script(`${evil}${' '.repeat(size - evil.length)}`, {
    filename: bundle,
  }).createCachedData();
  const stamp = readFileSync(cache).subarray(0, 8);
  const put = (change: () => void): string => {
    rmSync(cache, { force: true });
    writeFileSync(cache, Buffer.concat([stamp, bytes]), { mode: 0o600 });
    change();
    return run();
  };
  t.equal(
    put(() => {}),
    'owned\n',
    'root’s own is used, or this test would show nothing',
  );
  for (const [title, change] of Object.entries({
    'another user’s': () => chownSync(cache, 65534, 65534),
    'the group may write': () => chmodSync(cache, 0o620),
    'all may write': () => chmodSync(cache, 0o602),
    'a link': () => {
      renameSync(cache, `${cache}.evil`);
      symlinkSync(`${cache}.evil`, cache);
    },
    'for another bundle': () => writeFileSync(cache, Buffer.concat([Buffer.alloc(8), bytes])),
  }))
    t.match(put(change), /^NAMESPACE/, title);
  t.end();
});
