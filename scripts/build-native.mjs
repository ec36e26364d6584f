// Compiles native/ for each architecture that has a compiler here: one build serves glibc and musl, since there is no libc.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

const FLAGS =
  '-std=gnu11 -O2 -Wall -Wextra -Werror -Wconversion -ffreestanding -fno-stack-protector -fno-builtin -fvisibility=hidden -fno-asynchronous-unwind-tables'.split(
    ' ',
  );
const HEADERS = ['podspace.h', 'shim.h', 'syscall.h'];
const OUTPUTS = [
  {
    file: 'libpodspace.so',
    sources: ['check.c', 'interpret.c', 'spawn.c'],
    flags: ['-shared', '-fPIC', '-nostdlib', '-Wl,-z,noexecstack'],
  },
  {
    file: 'podspace-shim',
    sources: ['check.c', 'interpret.c', 'pod.c', 'shim.c'],
    flags: ['-static', '-nostdlib', '-fno-pic', '-no-pie', '-Wl,-z,noexecstack,--build-id=none', '-s'],
  },
];
const TARGETS = [
  { arch: 'x64', compilers: ['x86_64-linux-gnu-gcc', ...(process.arch === 'x64' ? ['cc'] : [])] },
  { arch: 'arm64', compilers: ['aarch64-linux-gnu-gcc', ...(process.arch === 'arm64' ? ['cc'] : [])] },
];

const modified = file => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const newest = files => Math.max(...files.map(modified));

for (const { arch, compilers } of TARGETS) {
  const compiler = compilers.find(name => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  if (compiler === undefined) {
    if (arch !== process.arch) continue;
    console.error('no C compiler: run "npm run setup"');
    process.exit(1);
  }
  const directory = `dist/native/linux-${arch}`;
  mkdirSync(directory, { recursive: true });
  for (const { file, sources, flags } of OUTPUTS) {
    const inputs = [...sources, ...HEADERS].map(name => join('native', name));
    const output = join(directory, file);
    if (modified(output) > newest([...inputs, 'scripts/build-native.mjs'])) continue;
    execFileSync(
      compiler,
      [...FLAGS, ...flags, '-o', `${output}.new`, ...sources.map(name => join('native', name))],
      { stdio: 'inherit' },
    );
    renameSync(`${output}.new`, output);
  }
}
