import { createRequire } from 'node:module';

type Koffi = typeof import('koffi');

/**
 * koffi, by the shortest way: its package for this platform holds the native module itself, and skips 7 ms of JavaScript
 * that only serves deprecated names. Where a package manager does not let us see it, the long way is as good.
 */
function loadKoffi(): Koffi {
  const require = createRequire(typeof __filename === 'string' ? __filename : import.meta.url);
  try {
    return require(`@koromix/koffi-${process.platform}-${process.arch}`) as Koffi;
  } catch {
    return require('koffi') as Koffi;
  }
}

export const koffi: Koffi = loadKoffi();
