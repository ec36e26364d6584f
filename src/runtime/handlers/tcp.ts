import { DialError, type DialFrom, dial, hostPort } from './dial.ts';
import { type Limit, LimitReached } from './limit.ts';
import { failure, type Outcome, success } from './outcome.ts';

/** Whether somebody takes connections on a port. */
export async function tcpSocket(host: string, port: number, from: DialFrom, limit: Limit): Promise<Outcome> {
  try {
    const socket = await dial(from, host, port, limit);
    socket.on('error', () => {});
    socket.destroy();
    return success();
  } catch (error) {
    if (error instanceof LimitReached) return failure(`dial tcp ${hostPort(host, port)}: i/o timeout`);
    if (error instanceof DialError) return failure(error.message);
    throw error;
  }
}
