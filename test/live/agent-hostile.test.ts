import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { agentSocket } from '../../src/agent/start.ts';
import { agentFor, type TestAgent } from './agent.ts';
import { needsRoot } from './harness.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

/** MiB that the agent has. */
const memoryOf = ({ pid }: TestAgent): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

async function open({ roots }: TestAgent, text: string): Promise<Socket> {
  const socket = connect(agentSocket(roots));
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

/** Sends bytes as they are; the status line and the end of the answer. */
async function send(
  agent: TestAgent,
  method: string,
  path: string,
  type: string,
  body: Buffer,
): Promise<string> {
  const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
  // Who is refused while he still writes may see that before the answer, which is lost then.
  for (let i = 0; ; i++) {
    const socket = await open(agent, head);
    const chunks: Buffer[] = [];
    socket.on('data', chunk => chunks.push(chunk as Buffer));
    socket.on('error', () => {});
    const closed = new Promise(resolve => socket.once('close', resolve));
    socket.write(body);
    await closed;
    const text = Buffer.concat(chunks).toString();
    if (text !== '' || i === 9) return `${text.split('\r\n')[0]} ${text.slice(-1000)}`;
  }
}

t.test('bodies that are made to be hard to read', { skip: needsRoot }, async t => {
  const agent = await agentFor(t);
  const [json, yaml] = ['application/json', 'application/yaml'];
  const most = 32 * 1024;
  const repeat = (text: string): string => text.repeat(Math.floor(most / text.length));
  const keys = (count: number, line: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => line(i)).join('');
  const deep = `{"a":`.repeat(200_000) + 1 + '}'.repeat(200_000);
  const cases: Readonly<Record<string, readonly [type: string, body: string, answer: RegExp]>> = {
    'deep YAML': [yaml, repeat('['), /^HTTP\/1\.1 400 .*yaml: line 1: nested too deeply/s],
    'deep maps': [yaml, repeat('{a: '), /^HTTP\/1\.1 400 .*nested too deeply/s],
    'deep lists': [yaml, repeat('- '), /^HTTP\/1\.1 400 .*nested too deeply/s],
    'deep nonsense': [yaml, repeat('\na: ? '), /^HTTP\/1\.1 400 .*nested too deeply/s],
    'mistake after mistake': [yaml, repeat('[]'), /^HTTP\/1\.1 400 /],
    'YAML of many keys': [yaml, `data:\n${keys(2000, i => `  k${i}: v\n`)}`, /^HTTP\/1\.1 422 /],
    'YAML of one key': [
      yaml,
      'a: 1\na: 2\n',
      /^HTTP\/1\.1 400 .*yaml: line 2: key \\"a\\" already set in map/s,
    ],
    'too much YAML': [yaml, `${repeat('a')} and more`, /^HTTP\/1\.1 413 /],
    'YAML that multiplies': [
      yaml,
      keys(9, i => `k${i}: &a${i} [${`${i === 0 ? 'x' : `*a${i - 1}`},`.repeat(9)}]\n`),
      /^HTTP\/1\.1 400 /,
    ],
    'deep JSON': [
      json,
      `{"metadata":{"name":"d","managedFields":[{"fieldsV1":${deep}}]}}`,
      /^HTTP\/1\.1 400 .*exceeded max depth/s,
    ],
    'a large list': [json, `[${'{},'.repeat(900_000)}{}]`, /^HTTP\/1\.1 400 /],
    'names of prototypes': [
      json,
      '{"metadata":{"name":"a","labels":{"__proto__":"x"}},"data":{"__proto__":"v","constructor":"w"}}',
      /^HTTP\/1\.1 201 .*"data":\{"__proto__":"v","constructor":"w"\}/s,
    ],
  };
  for (const [what, [type, body, answer]] of Object.entries(cases))
    t.match(await send(agent, 'POST', MAPS, type, Buffer.from(body)), answer, what);
  const patches: Readonly<Record<string, readonly [type: string, body: string]>> = {
    'a prototype, merged': ['merge', '{"__proto__":{"kind":"x"},"metadata":{"__proto__":{"a":"b"}}}'],
    'a prototype, added': ['json', '[{"op":"add","path":"/__proto__/polluted","value":"x"}]'],
    'a constructor’s': ['json', '[{"op":"add","path":"/constructor/prototype/polluted","value":"x"}]'],
    directives: ['strategic-merge', '{"$patch":"x","metadata":{"$retainKeys":["a"],"__proto__":null}}'],
    'a deep one': ['merge', `{"metadata":{"annotations":${deep}}}`],
    copies: [
      'json',
      `[{"op":"add","path":"/data/k","value":"x"}${keys(60, i => `,{"op":"copy","from":"/data","path":"/data/k${i}"}`)}]`,
    ],
  };
  for (const [what, [type, body]] of Object.entries(patches)) {
    const answer = await send(
      agent,
      'PATCH',
      `${MAPS}/a`,
      `application/${type}-patch+json`,
      Buffer.from(body),
    );
    t.match(answer, /^HTTP\/1\.1 (200|400|413|415|422|500) /, what);
    t.notMatch(answer, /"polluted"/, what);
  }
  t.match(
    await send(agent, 'GET', `${MAPS}/a`, json, Buffer.alloc(0)),
    /^HTTP\/1\.1 200 .*"kind":"ConfigMap"/s,
  );
  t.ok(memoryOf(agent) < 500, `${memoryOf(agent)} MiB`);
});
