import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { AgentClient } from '../../../src/agent/client.ts';

/** A server that lets each connection answer so many requests, and is then gone without a word. */
async function start(t: Test, perConnection: number): Promise<{ client: AgentClient; asked: string[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'podspace-client-'));
  const socket = join(directory, 'agent.sock');
  const asked: string[] = [];
  const counts = new WeakMap<Socket, number>();
  const server: Server = createServer((request, response) => {
    const count = (counts.get(request.socket) ?? 0) + 1;
    counts.set(request.socket, count);
    asked.push(`${request.method} ${count}`);
    if (count > perConnection) request.socket.destroy();
    else response.end('{}');
  });
  await new Promise<void>(resolve => server.listen(socket, resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
    rmSync(directory, { recursive: true });
  });
  return { client: new AgentClient(socket), asked };
}

t.test('a question on a connection from before is asked again on a new one', async t => {
  const { client, asked } = await start(t, 1);
  await client.json('GET', '/a');
  t.strictSame(await client.json('GET', '/b'), {});
  t.strictSame(asked, ['GET 1', 'GET 2', 'GET 1']);
});

t.test('what changes something is not, and neither is what fails on a new connection', async t => {
  const { client, asked } = await start(t, 1);
  await client.json('GET', '/a');
  await t.rejects(client.json('DELETE', '/a'), { message: /^the agent does not answer: ECONNRESET/ });
  t.strictSame(asked, ['GET 1', 'DELETE 2']);
  const never = await start(t, 0);
  await t.rejects(never.client.json('GET', '/a'), { message: /^the agent does not answer: ECONNRESET/ });
  t.strictSame(never.asked, ['GET 1']);
});
