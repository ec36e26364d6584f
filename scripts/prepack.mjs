// Before `npm pack`: a fresh build, with the native parts of both architectures, so that an installed package needs no compiler.
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
const missing = ['x64', 'arm64'].filter(arch => !existsSync(`dist/native/linux-${arch}/libpodspace.so`));
if (missing.length > 0) {
  console.error(
    `no compiler for ${missing.join(', ')}: Debian has gcc-x86-64-linux-gnu and gcc-aarch64-linux-gnu`,
  );
  process.exit(1);
}
