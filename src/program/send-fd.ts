import type { ProgramBuilder } from './builder.ts';
import type { Operand, SlotOperand } from './program.ts';

/** sendmsg(2) of one byte and an fd (SCM_RIGHTS, unix(7)); `rest` are the operands after the message. */
export function sendFd(b: ProgramBuilder, socket: Operand, fd: SlotOperand, rest: readonly Operand[]): void {
  const byte = b.bytes(new Uint8Array(1), '"\\0"');
  const iov = new Uint8Array(16);
  new DataView(iov.buffer).setBigUint64(8, 1n, true);
  const iovec = b.bytes(iov, '[{"\\0", 1}]', [{ at: 0, item: byte.item }]);
  const control = new Uint8Array(24);
  const controlView = new DataView(control.buffer);
  controlView.setBigUint64(0, 20n, true);
  controlView.setInt32(8, 1, true);
  controlView.setInt32(12, 1, true);
  const cmsg = b.bytes(control, 'cmsg');
  b.store(cmsg, 16, fd);
  const header = new Uint8Array(56);
  const headerView = new DataView(header.buffer);
  headerView.setBigUint64(24, 1n, true);
  headerView.setBigUint64(40, 24n, true);
  const message = b.bytes(header, '{iov=[{"\\0", 1}], control={SCM_RIGHTS, cmsg}}', [
    { at: 16, item: iovec.item },
    { at: 32, item: cmsg.item },
  ]);
  b.call('sendmsg', [socket, message, ...rest]);
}
