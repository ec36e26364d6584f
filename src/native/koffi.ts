import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

type Koffi = typeof import('koffi');

const require = createRequire(typeof __filename === 'string' ? __filename : import.meta.url);

/**
 * koffi, by the shortest way: the native module itself, out of koffi's package for this platform. koffi's own JavaScript
 * takes 7 ms, to find out which libc this is and to keep deprecated names. A build for the other libc does not load,
 * which is an answer too; and where a package manager hides that package, the long way is as good.
 */
function loadKoffi(): Koffi {
  const platform = `${process.platform}-${process.arch}`;
  try {
    const directory = dirname(require.resolve(`@koromix/koffi-${platform}`));
    for (const libc of ['linux', 'musl']) {
      const module = { exports: {} };
      try {
        process.dlopen(module, join(directory, `${libc}_${process.arch}`, 'koffi.node'));
        return module.exports as Koffi;
      } catch {
        // the other libc
      }
    }
  } catch {
    // not to be seen from here
  }
  return require('koffi') as Koffi;
}

export const koffi: Koffi = loadKoffi();
