import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

type Koffi = typeof import('koffi');

// In the bundle import.meta is empty; in an ES module there is no __dirname.
export const here = typeof __dirname === 'string' ? __dirname : dirname(fileURLToPath(import.meta.url));

/**
 * koffi, by the shortest way: the native module itself, out of koffi's package for this platform. koffi's own JavaScript
 * takes 7 ms, to find out which libc this is and to keep deprecated names. A build for the other libc does not load,
 * which is an answer too; and where a package manager hides that package, the long way is as good.
 */
function loadKoffi(): Koffi {
  const name = `@koromix/koffi-${process.platform}-${process.arch}`;
  // Where npm puts it: in our own node_modules, or beside us in somebody else's.
  const directory = ['../node_modules', '../..']
    .map(up => join(here, up, name))
    .find(path => existsSync(path));
  for (const libc of directory === undefined ? [] : ['linux', 'musl']) {
    const module = { exports: {} };
    try {
      process.dlopen(module, `${directory}/${libc}_${process.arch}/koffi.node`);
      return module.exports as Koffi;
    } catch {
      // the other libc
    }
  }
  // Asked for only here: node:module is a quarter of a millisecond that nobody else needs.
  const { createRequire } = process.getBuiltinModule('node:module');
  return createRequire(join(here, 'index.js'))('koffi') as Koffi;
}

export const koffi: Koffi = loadKoffi();
