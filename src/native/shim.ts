import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { F, MFD } from '../linux/constants.generated.ts';
import { rawSyscall, syscall } from './libc.ts';
import { nativeDirectory } from './library.ts';

/** linux/memfd.h and linux/fcntl.h since 6.3; older headers do not have them. */
const MFD_EXEC = 0x10;
const F_SEAL_EXEC = 0x20;

let fd: number | undefined;

/**
 * podspace-shim as a sealed memfd, made once for each process of ours: what a container sees as /proc/PID/exe is a copy in
 * memory that nobody can write to (CVE-2019-5736), nor make one that cannot be executed any more (Linux 6.3).
 */
export function shimFd(): number {
  fd ??= sealedCopy(readFileSync(join(nativeDirectory(), 'podspace-shim')));
  return fd;
}

function sealedCopy(bytes: Uint8Array): number {
  const flags = MFD.MFD_CLOEXEC | MFD.MFD_ALLOW_SEALING;
  // MFD_EXEC (Linux 6.3) is needed where vm.memfd_noexec is set; older kernels answer EINVAL.
  let copy = rawSyscall('memfd_create', 'podspace-shim', flags | MFD_EXEC);
  const hasExecSeal = copy >= 0;
  if (!hasExecSeal) copy = syscall('memfd_create', ['podspace-shim', flags]);
  syscall('write', [copy, bytes, bytes.length]);
  syscall('fchmod', [copy, 0o555]);
  const seals = F.F_SEAL_SEAL | F.F_SEAL_SHRINK | F.F_SEAL_GROW | F.F_SEAL_WRITE;
  syscall('fcntl', [copy, F.F_ADD_SEALS, hasExecSeal ? seals | F_SEAL_EXEC : seals]);
  return copy;
}
