import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { WebSocket } from 'ws';
import { agentSocket } from '../../../../src/agent/start.ts';
import { configMap, MAPS, PODS, pod, startApi, until } from './api-client.ts';

/** A kubeconfig's user asks over TLS. */
async function overTls(
  kubeconfig: { readonly [field: string]: unknown },
  path: string,
  token?: string,
): Promise<{ readonly code: number; readonly text: string }> {
  const { clusters, users } = kubeconfig as {
    clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
    users: { user: { token: string } }[];
  };
  const cluster = clusters[0]?.cluster;
  const asked = request(`${cluster?.server}${path}`, {
    agent: false,
    ca: Buffer.from(cluster?.['certificate-authority-data'] ?? '', 'base64'),
    headers: token === '' ? {} : { authorization: `Bearer ${token ?? users[0]?.user.token}` },
  });
  asked.end();
  const [response] = await once(asked, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return { code: response.statusCode, text };
}

t.test('the socket is root’s, and what is secret too', async t => {
  const { roots, ask } = await startApi(t);
  t.equal(statSync(agentSocket(roots)).mode & 0o777, 0o600);
  const { body } = await ask('POST', '/podspace/kubeconfig', {
    body: { listen: '127.0.0.1:0', user: 'bob' },
  });
  const [{ user }] = body.users as [{ user: { token: string } }];
  const tokens = join(roots.state, 'agent/tokens.json');
  t.equal(statSync(tokens).mode & 0o777, 0o600);
  t.notMatch(readFileSync(tokens, 'utf8'), user.token, 'only its hash is kept');
  for (const file of ['ca.key', 'server.key'])
    t.equal(statSync(join(roots.state, 'agent/pki', file)).mode & 0o777, 0o600, file);
});

t.test('only a token lets in, and only RBAC lets do', async t => {
  const { ask, api } = await startApi(t);
  const make = async (body: object) =>
    (await ask('POST', '/podspace/kubeconfig', { body: { listen: '127.0.0.1:0', ...body } })).body;
  const bob = await make({ user: 'bob', groups: ['dev'] });
  const root = await make({});
  t.ok(api.address);
  t.match(await overTls(bob, '/api', ''), { code: 401, text: /"reason":"Unauthorized"/ });
  t.match(await overTls(bob, '/api', 'wrong'), { code: 401 });
  t.match(await overTls(bob, '/healthz', ''), { code: 401 });
  t.match(await overTls(bob, '/api'), { code: 200 });
  t.match(await overTls(bob, PODS), { code: 403, text: /User \\"bob\\" cannot list resource \\"pods\\"/ });
  t.match(await overTls(bob, '/metrics'), {
    code: 403,
    text: /User \\"bob\\" cannot get path \\"\/metrics\\"/,
  });
  t.match(await overTls(bob, '/podspace/kubeconfig'), { code: 403 });
  t.match(await overTls(root, PODS), { code: 200 });
  t.match(await overTls(root, '/metrics'), {
    code: 200,
    text: /apiserver_request_total\{verb="list",resource="pods",subresource="",code="200"\} 1/,
  });
  t.match(
    await overTls(root, '/podspace/kubeconfig'),
    { code: 404 },
    'not even root has it but on the socket',
  );
  t.same((await ask('POST', '/podspace/kubeconfig', { body: { user: 'bob', revoke: true } })).body, {
    revoked: 1,
  });
  t.match(await overTls(bob, '/api'), { code: 401 });
  for (const listen of [
    '0.0.0.0:6443',
    '192.168.0.1:1',
    '127.0.0.1:99999',
    '127.0.0.1',
    '127.0.0.999:1',
    'host:1',
  ])
    t.equal((await ask('POST', '/podspace/kubeconfig', { body: { listen } })).code, 400, listen);
});

t.test('whoever impersonates must be allowed to, and admission decides by him', async t => {
  const { ask, registry } = await startApi(t);
  const asBob = { 'impersonate-user': 'bob', 'impersonate-group': 'dev' };
  t.equal((await ask('GET', PODS, { headers: asBob })).code, 403);
  t.equal((await ask('POST', '/podspace/kubeconfig', { body: {}, headers: asBob })).code, 403);
  const nobody = { 'impersonate-extra-scopes': 'x' };
  t.match((await ask('GET', PODS, { headers: nobody })).body, {
    code: 500,
    message: /without impersonating a user$/,
  });
  t.equal((await ask('GET', PODS, { headers: { 'impersonate-user': '' } })).code, 500);
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  const role = { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['*'] }], metadata: { name: 'r' } };
  t.equal((await ask('POST', `${rbac}/clusterroles`, { body: role })).code, 201);
  const binding = {
    metadata: { name: 'r' },
    roleRef: { kind: 'ClusterRole', name: 'r' },
    subjects: [{ kind: 'Group', name: 'dev' }],
  };
  t.equal((await ask('POST', `${rbac}/clusterrolebindings`, { body: binding })).code, 201);
  t.equal((await ask('GET', PODS, { headers: asBob })).code, 200);
  t.match(
    (
      await ask('POST', `${rbac}/clusterroles`, {
        body: { ...role, metadata: { name: 's' } },
        headers: asBob,
      })
    ).body,
    { code: 403 },
  );
  const policy = {
    metadata: { name: 'none' },
    spec: Object.fromEntries(
      ['runAsUser', 'seLinux', 'fsGroup', 'supplementalGroups'].map(each => [each, { rule: 'RunAsAny' }]),
    ),
  };
  t.equal((await ask('POST', '/apis/policy/v1beta1/podsecuritypolicies', { body: policy })).code, 201);
  t.match((await ask('POST', PODS, { body: pod('a'), headers: asBob })).body, {
    code: 403,
    reason: 'Forbidden',
    message: /^pods "a" is forbidden: PodSecurityPolicy: /,
  });
  registry.delete('PodSecurityPolicy', undefined, 'none');
  const namespace = {
    metadata: { name: 'strict', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  };
  await ask('POST', '/api/v1/namespaces', { body: namespace });
  t.match((await ask('POST', PODS.replace('default', 'strict'), { body: pod('a') })).body, {
    code: 403,
    message:
      /^pods "a" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false/,
    details: { name: 'a', kind: 'pods' },
  });
  const review = { spec: { resourceAttributes: { verb: 'list', resource: 'pods', namespace: 'default' } } };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  t.match((await ask('POST', path, { body: review, headers: asBob })).body.status, { allowed: true });
  t.equal((await ask('POST', path.replace('self', ''), { body: review, headers: asBob })).code, 403);
});

t.test('tricks with paths', async t => {
  const { ask } = await startApi(t);
  for (const path of [
    `${MAPS}/..%2f..%2fetc`,
    `${MAPS}/%2e%2e`,
    `${MAPS}/a%00b`,
    `${MAPS}/../secrets`,
    '/api/v1//namespaces/default/pods',
    `${MAPS}/a%25b`,
  ])
    t.equal((await ask('GET', path)).code, 404, path);
  t.equal((await ask('GET', `${MAPS}/%zz`)).code, 400);
  t.equal((await ask('GET', `${MAPS}/a/b/c/d`)).code, 404);
  t.equal((await ask('GET', '/api/v1/pods/a')).code, 400);
  t.match((await ask('GET', `${PODS}/a/log?container=../../etc/passwd`)).code, 404);
  await ask('POST', PODS, { body: pod('a') });
  t.match((await ask('GET', `${PODS}/a/log?container=..%2F..%2Fetc`)).body, {
    code: 400,
    message: 'container ../../etc is not valid for pod a',
  });
  t.equal((await ask('GET', `${PODS}/a/exec?command=id&stdout=1`)).code, 400, 'no upgrade');
  t.equal((await ask('POST', MAPS, { body: { ...configMap('x'), metadata: { name: '../x' } } })).code, 422);
  const hostile = Buffer.from(
    '{"metadata":{"name":"x"},"__proto__":{"polluted":1},"data":{"__proto__":"v","constructor":"w"}}',
  );
  await ask('POST', MAPS, { body: hostile });
  t.equal(({} as { polluted?: number }).polluted, undefined);
});

t.test('too much is refused before it is taken', async t => {
  const { ask, roots } = await startApi(t);
  const large = Buffer.alloc(3 * 1024 * 1024 + 1, 'x');
  t.match((await ask('POST', MAPS, { body: large })).body, { code: 413, reason: 'RequestEntityTooLarge' });
  const deep = Buffer.from(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`);
  t.equal((await ask('POST', MAPS, { body: deep })).code, 422, 'unknown fields are not walked');
  const long = 'x'.repeat(40_000);
  t.equal((await ask('GET', '/api', { headers: { 'x-long': long } })).code, 431);
  t.equal((await ask('GET', `${MAPS}?labelSelector=${'a,'.repeat(5000)}`)).code, 400);
  // Chunks without end: the answer comes while the client still sends.
  const socket = connect(agentSocket(roots));
  let answer = '';
  socket.on('data', chunk => (answer += chunk));
  socket.on('error', () => {});
  socket.write(
    `POST ${MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const chunk = `10000\r\n${' '.repeat(65536)}\r\n`;
  for (let i = 0; i < 100 && !socket.destroyed; i++) socket.write(chunk);
  t.ok(await until(() => answer.includes('413')), 'chunked, too');
  socket.destroy();
});

t.test('what is no HTTP or WebSocket ends, and the others go on', async t => {
  const { ask, roots, logged } = await startApi(t);
  const send = async (text: string): Promise<string> => {
    const socket: Socket = connect(agentSocket(roots));
    let answer = '';
    socket.on('data', chunk => (answer += chunk)).on('error', () => {});
    socket.write(text);
    await Promise.race([
      new Promise(resolve => socket.on('close', resolve)),
      new Promise(resolve => setTimeout(resolve, 500)),
    ]);
    socket.destroy();
    return answer;
  };
  t.match(await send('\x16\x03\x01 no http\r\n\r\n'), /^HTTP\/1\.1 400/);
  const upgrade = (path: string, more: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n${more}\r\n\r\n`;
  t.match(await send(upgrade('/api', 'Upgrade: websocket')), /^HTTP\/1\.1 400/);
  t.match(
    await send(upgrade(`${PODS}/none/exec?command=a&stdout=1`, 'Upgrade: websocket')),
    /^HTTP\/1\.1 404/,
  );
  t.match(await send(upgrade(`${PODS}/none/exec?command=a`, 'Upgrade: h2c')), /^HTTP\/1\.1 400/);
  const socket = new WebSocket(
    `ws+unix://${agentSocket(roots)}:${PODS}/none/exec?command=a&stdout=1`,
    'v5.channel.k8s.io',
  );
  const [, response] = await once(socket, 'unexpected-response');
  t.equal(response.statusCode, 404);
  t.equal((await ask('GET', '/livez')).code, 200);
  t.same(
    logged.filter(line => line.startsWith('a request failed')),
    [],
  );
  t.ok(existsSync(agentSocket(roots)));
});
