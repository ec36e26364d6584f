import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../base/errors.ts';
import type { Arch } from '../linux/arch.ts';
import { here, koffi } from './koffi.ts';

/** The machine's architecture. Throws a UserError on one that has no native build. */
export function hostArch(): Arch {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch;
  throw new UserError(`podspace runs on x64 and arm64, not on "${process.arch}"`);
}

/** The folder with the compiled C of this machine's architecture. Only places inside the package are trusted. */
export function nativeDirectory(): string {
  const relative = `native/linux-${hostArch()}`;
  const candidates = ['.', '../dist', '../../dist', '../../../dist'].map(up => join(here, up, relative));
  const found = candidates.find(candidate => existsSync(join(candidate, 'libpodspace.so')));
  if (found !== undefined) return found;
  throw new UserError(`the native library is not built for ${hostArch()}`, { hint: 'run "npm run build"' });
}

let library: ReturnType<typeof koffi.load> | undefined;

/** libpodspace.so, loaded when first needed: commands that only compile or print do not pay for it. */
export function nativeLibrary(): ReturnType<typeof koffi.load> {
  library ??= koffi.load(join(nativeDirectory(), 'libpodspace.so'));
  return library;
}
