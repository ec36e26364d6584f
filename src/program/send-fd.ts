import type { ProgramBuilder } from './builder.ts';
import type { Operand, ParameterOperand, SlotOperand } from './program.ts';

/** sendmsg(2) of one byte or a text, and an fd (SCM_RIGHTS, unix(7)); `rest` are the operands after the message. */
export function sendFd(
  b: ProgramBuilder,
  socket: Operand,
  fd: SlotOperand | ParameterOperand,
  rest: readonly Operand[],
  text?: string,
): void {
  const sent = text === undefined ? new Uint8Array(1) : new TextEncoder().encode(text);
  const shown = text === undefined ? '"\\0"' : JSON.stringify(text);
  const byte = b.bytes(sent, shown);
  const iov = new Uint8Array(16);
  new DataView(iov.buffer).setBigUint64(8, BigInt(sent.length), true);
  const iovec = b.bytes(iov, `[{${shown}, ${sent.length}}]`, [{ at: 0, item: byte.item }]);
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
  const message = b.bytes(header, `{iov=[{${shown}, ${sent.length}}], control={SCM_RIGHTS, cmsg}}`, [
    { at: 16, item: iovec.item },
    { at: 32, item: cmsg.item },
  ]);
  b.call('sendmsg', [socket, message, ...rest]);
}
