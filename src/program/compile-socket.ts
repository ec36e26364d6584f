import type { Arch } from '../linux/arch.ts';
import { CLONE } from '../linux/constants.generated.ts';
import { SOCKET } from '../linux/sockets.ts';
import { flags, num, ProgramBuilder, parameter } from './builder.ts';
import type { Compiled } from './compile.ts';
import { sendFd } from './send-fd.ts';
import { verify } from './verify.ts';

/** The families of internet addresses. */
export type SocketFamily = 'AF_INET' | 'AF_INET6';

/**
 * A TCP socket of another network namespace, which the parameter `netns` is an fd of. A socket belongs to the namespace
 * that it was made in, whoever uses it afterwards; this child shares the runtime's fd table and leaves it there (`socket`:
 * by pc). It joins nothing else, so that nobody in the namespace can see it: processes are a PID namespace's.
 */
export function compileSocket(family: SocketFamily, arch: Arch): Compiled & { readonly socket: number } {
  const b = new ProgramBuilder(arch);
  b.phase('network namespace');
  b.call('setns', [parameter('netns'), flags(CLONE, 'CLONE_NEWNET')]);
  b.phase('socket');
  const type = flags(SOCKET, 'SOCK_STREAM', 'SOCK_NONBLOCK', 'SOCK_CLOEXEC');
  const { pc } = b.call('socket', [flags(SOCKET, family), type, num(0)]);
  return { program: verify(b.build()), cloneFlags: ['CLONE_FILES'], socket: pc };
}

/** A message to whoever listens at the other end of the parameter `socket`, with the parameter `fd` as an fd of its own. */
export function compileMessage(text: string, arch: Arch): Compiled {
  const b = new ProgramBuilder(arch);
  b.phase('message');
  sendFd(b, parameter('socket'), parameter('fd'), [flags(SOCKET, 'MSG_NOSIGNAL')], text);
  return { program: verify(b.build()), cloneFlags: [] };
}
