import { PR, SECCOMP } from '../../linux/constants.generated.ts';
import { SECCOMP_FLAGS } from '../../linux/seccomp.ts';
import { auditFilter, HAND_OVER } from '../../oci/audit/audit-filter.ts';
import { INSTRUCTION_SIZE } from '../../oci/seccomp/classic-bpf.ts';
import type { SeccompFilter } from '../../oci/seccomp/generate.ts';
import { flags, named, num, type ProgramBuilder } from '../builder.ts';
import type { ImmediateOperand, Operand, SlotOperand } from '../program.ts';
import { sendFd } from '../send-fd.ts';

/**
 * seccomp(2). From here on every call is the profile's to allow; those that it asks about wait for who gets the listener
 * through `agent`. One that kills must not dump the core of memory that is
 * Node's too, hence no dumps until execve.
 */
export function installFilter(b: ProgramBuilder, filter: SeccompFilter, agent?: Operand): void {
  const value = filter.flags.reduce((bits, name) => bits | SECCOMP_FLAGS[name], 0);
  if (agent === undefined) {
    install(b, filter, named(value, filter.flags.join('|') || '0'));
    return;
  }
  const names = ['SECCOMP_FILTER_FLAG_NEW_LISTENER', ...filter.flags].join('|');
  const withListener = (value | SECCOMP.SECCOMP_FILTER_FLAG_NEW_LISTENER) >>> 0;
  sendFd(b, agent, install(b, filter, named(withListener, names)), [num(0)]);
}

/**
 * The filter of an audit, and its listener to who answers it: from then on each call waits for that answer.
 * WAIT_KILLABLE_RECV (Linux 5.19): no signal interrupts a call that has been asked about.
 */
export function installAuditFilter(b: ProgramBuilder, socket: Operand): void {
  const filter = { bpf: auditFilter(b.arch), text: '{all: notify}' };
  const listener = install(
    b,
    filter,
    flags(SECCOMP, 'SECCOMP_FILTER_FLAG_NEW_LISTENER', 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'),
  );
  sendFd(b, socket, listener, [num(0), num(0), num(0), named(HAND_OVER, 'HAND_OVER')]);
}

function install(
  b: ProgramBuilder,
  filter: Pick<SeccompFilter, 'bpf' | 'text'>,
  filterFlags: ImmediateOperand,
): SlotOperand {
  b.phase('seccomp');
  b.call('prctl', [flags(PR, 'PR_SET_DUMPABLE'), num(0), num(0), num(0), num(0)]);
  const code = b.bytes(filter.bpf, filter.text);
  // struct sock_fprog
  const program = new Uint8Array(16);
  new DataView(program.buffer).setUint16(0, filter.bpf.length / INSTRUCTION_SIZE, true);
  return b.call('seccomp', [
    flags(SECCOMP, 'SECCOMP_SET_MODE_FILTER'),
    filterFlags,
    b.bytes(program, filter.text, [{ at: 8, item: code.item }]),
  ]);
}
