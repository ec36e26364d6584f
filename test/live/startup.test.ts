import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { needsRoot, PODSPACE, probePod } from './harness.ts';

/** Node's own modules that each take milliseconds to load; a one-container pod needs none of them. */
const DEAR = [
  'child_process',
  'net',
  'tty',
  'http',
  'crypto',
  'worker_threads',
  'module',
  'os',
  'dns',
  'zlib',
];

t.test('nothing is loaded that a plain run does not use', { skip: needsRoot }, t => {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-startup-'));
  try {
    const hook = join(directory, 'hook.cjs');
    const list = join(directory, 'list.json');
    writeFileSync(
      hook,
      `const before = new Set(process.moduleLoadList);
       process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(list)},
         JSON.stringify(process.moduleLoadList.filter(name => !before.has(name)))));`,
    );
    const input = JSON.stringify(probePod({}, { args: ['exit', '0'] }));
    t.equal(spawnSync(process.execPath, ['-r', hook, PODSPACE, 'run', '-'], { input }).status, 0);
    const loaded = JSON.parse(readFileSync(list, 'utf8')) as string[];
    t.strictSame(
      DEAR.filter(name => loaded.includes(`NativeModule ${name}`)),
      [],
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
  t.end();
});
