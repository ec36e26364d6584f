import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

// Of one process: others build the same ones beside it.
const OUT = `build/native-test/${process.pid}`;
process.on('exit', () => rmSync(OUT, { recursive: true, force: true }));
const SOURCES = ['native/check.c', 'native/interpret.c'];
const SANITIZE = ['-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
/** A reason to skip what needs an arm64 compiler and qemu, or false. */
export const needsArm64 =
  has('aarch64-linux-gnu-gcc') && has('qemu-aarch64')
    ? false
    : 'needs aarch64-linux-gnu-gcc and qemu-aarch64';

/** Builds one of the drivers of this folder; returns the command that runs it. */
export function buildDriver(name: string, arch: 'host' | 'arm64' = 'host'): readonly [string, ...string[]] {
  mkdirSync(OUT, { recursive: true });
  const output = `${OUT}/${name}-${arch}`;
  const [compiler, flags] =
    arch === 'host' ? (['cc', SANITIZE] as const) : (['aarch64-linux-gnu-gcc', ['-O2', '-static']] as const);
  const all = ['-std=gnu11', '-Wall', '-Wextra', ...flags, '-o', output, `test/native/${name}.c`, ...SOURCES];
  execFileSync(compiler, all, { stdio: ['ignore', 'inherit', 'inherit'] });
  return arch === 'host' ? [output] : ['qemu-aarch64', output];
}

export function runDriver(
  [command, ...first]: readonly [string, ...string[]],
  block: Uint8Array,
  ...args: readonly string[]
): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const file = `${OUT}/block-${process.pid}`;
  writeFileSync(file, block);
  return spawnSync(command, [...first, file, ...args], { encoding: 'utf8', timeout: 120_000 });
}
