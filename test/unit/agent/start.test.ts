import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { activatedSocket } from '../../../src/agent/activation.ts';
import { AgentClient, objectPath } from '../../../src/agent/client.ts';
import { lockHolder } from '../../../src/agent/lock-holder.ts';
import { servedKind } from '../../../src/agent/resources.ts';
import { ServerError } from '../../../src/agent/server-error.ts';
import { agentArguments, agentSocket, ensureAgent, isAnswering } from '../../../src/agent/start.ts';
import { systemdUnits } from '../../../src/agent/units.ts';
import { DEFAULT_ROOTS, type Roots, rootsAt } from '../../../src/oci/pod-paths.ts';

type Test = { teardown: typeof import('tap').default.teardown };

function emptyRoot(t: Test): Roots {
  // A socket's path has 107 bytes.
  const root = mkdtempSync(join(tmpdir(), 'ps-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  return rootsAt(root);
}

/** Stands in for podspace: listens where the agent would, until it is ended by its pid. */
const LISTENS = `
const { mkdirSync, writeFileSync } = require('node:fs');
const [, root] = process.argv.slice(2);
mkdirSync(root + '/run', { recursive: true });
writeFileSync(root + '/pid', String(process.pid));
writeFileSync(root + '/argv', process.argv.slice(2).join(' '));
require('node:http').createServer((_, response) => response.end()).listen(root + '/run/agent.sock');
setTimeout(() => process.exit(0), 20000);
`;

t.test('the agent is started once, and found afterwards', async t => {
  const roots = emptyRoot(t);
  const program = join(roots.state, 'podspace.js');
  writeFileSync(program, LISTENS);
  t.equal(await isAnswering(agentSocket(roots)), false);
  await ensureAgent(roots, program);
  const pid = readFileSync(join(roots.state, 'pid'), 'utf8');
  t.teardown(() => process.kill(Number(pid)));
  t.equal(await isAnswering(agentSocket(roots)), true);
  t.equal(readFileSync(join(roots.state, 'argv'), 'utf8'), `--root ${roots.state} agent --foreground`);
  await ensureAgent(roots, program);
  t.equal(readFileSync(join(roots.state, 'pid'), 'utf8'), pid, 'the same one');
  t.equal(lockHolder(join(roots.run, 'agent', 'lock')), undefined, 'nobody holds a lock');
  t.same(agentArguments(DEFAULT_ROOTS), ['agent', '--foreground']);
});

t.test('who can be connected to need not answer', async t => {
  const roots = emptyRoot(t);
  const socket = agentSocket(roots);
  mkdirSync(roots.run, { recursive: true });
  const server = createServer(connection => connection.destroy()).listen(socket);
  t.teardown(() => server.close());
  await once(server, 'listening');
  t.equal(await isAnswering(socket), false);
});

t.test('an agent that cannot start says why', async t => {
  const roots = emptyRoot(t);
  const program = join(roots.state, 'podspace.js');
  writeFileSync(program, 'console.error("error: no room"); process.exit(1);');
  const hint = `see ${roots.state}/agent/agent.log`;
  await t.rejects(ensureAgent(roots, program), { message: 'the agent cannot be started: no room', hint });
  writeFileSync(program, 'process.exit(1);');
  await t.rejects(
    ensureAgent(roots, program),
    { message: 'the agent cannot be started', hint },
    'not what the one before said',
  );
});

t.test('a root whose socket has no place in an address', async t => {
  const roots = rootsAt(`/tmp/${'x'.repeat(100)}`);
  await t.rejects(ensureAgent(roots, '/nonexistent'), {
    message: /^the path of the agent's socket has more than 107 bytes: \/tmp\/x+\/run\/agent\.sock$/,
    hint: 'a shorter --root',
  });
});

t.test('the socket of systemd is taken only by whom it is for', t => {
  const env = { LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'x', PATH: '/bin' };
  t.equal(activatedSocket({ ...env }, 8), undefined);
  t.equal(activatedSocket({ ...env, LISTEN_FDS: '0' }, 7), undefined);
  t.equal(activatedSocket({}, 7), undefined);
  t.equal(activatedSocket(env, 7), 3);
  t.same(env, { PATH: '/bin' });
  t.end();
});

t.test('units: the socket, and a service that leaves pods alone', t => {
  const program = { node: '/usr/bin/node', podspace: '/opt/a b/50%/podspace.js' };
  const units = systemdUnits(DEFAULT_ROOTS, program);
  t.same(Object.keys(units), ['podspace.socket', 'podspace.service']);
  t.match(units['podspace.socket'], '\nListenStream=/run/podspace/agent.sock\nSocketMode=0600\n');
  t.match(
    units['podspace.service'],
    '\nExecStart="/usr/bin/node" "/opt/a b/50%%/podspace.js" "agent" "--foreground"\n',
  );
  t.match(units['podspace.service'], '\nKillMode=process\n');
  t.match(systemdUnits(rootsAt('/srv/$x'), program)['podspace.service'], ' "--root" "/srv/$$x" "agent"');
  t.end();
});

const POD = servedKind('Pod');

t.test('paths of objects', t => {
  t.equal(objectPath(POD, 'dev', 'web', 'log'), '/api/v1/namespaces/dev/pods/web/log');
  t.equal(objectPath(POD, undefined), '/api/v1/pods');
  t.equal(objectPath(servedKind('Node'), 'dev', 'here'), '/api/v1/nodes/here');
  t.equal(
    objectPath(servedKind('Role'), 'a/..', '?'),
    '/apis/rbac.authorization.k8s.io/v1/namespaces/a%2F../roles/%3F',
  );
  t.end();
});

t.test('an agent that answers nonsense, or not at all', async t => {
  const roots = emptyRoot(t);
  const socket = join(roots.state, 's');
  const client = new AgentClient(socket);
  const answers = ['HTTP/1.1 500 X\r\nConnection: close\r\n\r\n<html>', 'nonsense\r\n\r\n', ''];
  const server = createServer(connection => {
    connection.on('error', () => {});
    connection.once('data', () => connection.end(answers.shift() ?? ''));
  }).listen(socket);
  t.teardown(() => server.close());
  await t.rejects(client.get(POD, 'd', 'x'), { label: 'Error from server:', message: '<html>' });
  await t.rejects(client.get(POD, 'd', 'x'), { message: /^the agent does not answer: HPE_/ });
  await t.rejects(client.get(POD, 'd', 'x'), { message: 'the agent does not answer: ECONNRESET' });
  await t.rejects(new AgentClient(join(roots.state, 'none')).get(POD, 'd', 'x'), {
    message: 'the agent does not answer: ENOENT',
  });
});

t.test('what the agent refuses, in kubectl’s words', t => {
  const said = (reason: string, more: object = {}, doing?: string): string => {
    const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code: 400 } as const;
    const { label, message } = new ServerError({ ...status, reason, message: 'm', ...more }, doing);
    return `${label}|${message}`;
  };
  t.equal(said('NotFound'), 'Error from server (NotFound):|m');
  t.equal(said(''), 'Error from server:|m');
  t.equal(
    said('Forbidden', {}, 'error when creating "x"'),
    'Error from server (Forbidden):|error when creating "x": m',
  );
  t.equal(said('Unauthorized'), 'error:|You must be logged in to the server (Unauthorized)');
  const details = (...messages: string[]): object => ({
    details: { kind: 'Pod', name: 'web', causes: messages.map(message => ({ field: 'spec.a', message })) },
  });
  t.equal(said('Invalid', details('x')), '|The Pod "web" is invalid: spec.a: x');
  t.equal(said('Invalid', details('x', 'y', 'x')), '|The Pod "web" is invalid: \n* spec.a: x\n* spec.a: y');
  t.equal(said('Invalid', details()), '|The Pod "web" is invalid');
  t.equal(said('Invalid'), 'Error from server (Invalid):|m');
  t.end();
});
