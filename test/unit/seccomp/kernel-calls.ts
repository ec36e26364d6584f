import { existsSync, readFileSync } from 'node:fs';

/** The numbers of system calls, as the kernel's headers have them. */
export type Calls = ReadonlyMap<string, number>;

const X86 = '/usr/include/x86_64-linux-gnu/asm';
const HEADERS = {
  x64: [`${X86}/unistd_64.h`],
  i386: [`${X86}/unistd_32.h`],
  x32: [`${X86}/unistd_x32.h`],
  arm64: ['/usr/aarch64-linux-gnu/include/asm-generic/unistd.h', '/usr/include/asm-generic/unistd.h'],
} as const;

/** Calls that arm64 leaves out of the generic table (asm/unistd.h: what __ARCH_WANT_… does not ask for). */
const NOT_ON_ARM64 = new Set([
  'arch_specific_syscall',
  'syscalls',
  'clock_gettime64',
  'fstatat',
  'truncate64',
]);

/** Empty where the headers are not installed. */
export function callsOf(abi: keyof typeof HEADERS): Calls {
  const file = HEADERS[abi].find(existsSync);
  const calls = new Map<string, number>();
  if (file === undefined) return calls;
  const text = readFileSync(file, 'utf8');
  for (const [, name = '', x32, number] of text.matchAll(
    /^#define __NR_(\w+) \(?(__X32_SYSCALL_BIT \+ )?(\d+)\)?\s*$/gm,
  ))
    if (abi !== 'arm64' || (!NOT_ON_ARM64.has(name) && !name.endsWith('time64')))
      calls.set(name, Number(number) + (x32 === undefined ? 0 : 0x40000000));
  return calls;
}
