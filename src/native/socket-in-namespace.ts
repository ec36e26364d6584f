import { compileSocket, type SocketFamily } from '../program/compile-socket.ts';
import { execute, reap } from './execute.ts';
import { hostArch } from './library.ts';

/**
 * A new TCP socket in the network namespace that an fd refers to: an fd of this process, O_NONBLOCK and O_CLOEXEC, which
 * the caller closes. Throws a ProgramError, for a kernel without that family of addresses for example.
 */
export async function socketInNamespace(namespace: number, family: SocketFamily): Promise<number> {
  const compiled = compileSocket(family, hostArch());
  const child = await execute(compiled, { parameters: { netns: namespace } });
  reap(child);
  return child.report.result(compiled.socket);
}
