import { PR, SECCOMP } from '../../linux/constants.generated.ts';
import { SECCOMP_FLAGS } from '../../linux/seccomp.ts';
import { INSTRUCTION_SIZE } from '../../oci/seccomp/enosys-stub.ts';
import type { SeccompFilter } from '../../oci/seccomp/generate.ts';
import { flags, named, num, type ProgramBuilder } from '../builder.ts';

/**
 * seccomp(2). From here on every call is the profile's to allow. One that kills must not dump the core of memory that is
 * Node's too, hence no dumps until execve.
 */
export function installFilter(b: ProgramBuilder, filter: SeccompFilter): void {
  b.phase('seccomp');
  b.call('prctl', [flags(PR, 'PR_SET_DUMPABLE'), num(0), num(0), num(0), num(0)]);
  const code = b.bytes(filter.bpf, filter.text);
  // struct sock_fprog
  const program = new Uint8Array(16);
  new DataView(program.buffer).setUint16(0, filter.bpf.length / INSTRUCTION_SIZE, true);
  const value = filter.flags.reduce((bits, name) => bits | SECCOMP_FLAGS[name], 0);
  b.call('seccomp', [
    flags(SECCOMP, 'SECCOMP_SET_MODE_FILTER'),
    named(value, filter.flags.join('|') || '0'),
    b.bytes(program, filter.text, [{ at: 8, item: code.item }]),
  ]);
}
