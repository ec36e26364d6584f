import type { IncomingMessage } from 'node:http';
import t from 'tap';
import { configMap, MAPS, PODS, pod, startApi, until } from './api-client.ts';

/** What a watch says, as it comes. */
function linesOf(
  response: IncomingMessage,
): { readonly type: string; readonly object: Record<string, unknown> }[] {
  const lines: { type: string; object: Record<string, unknown> }[] = [];
  let rest = '';
  response.on('data', chunk => {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts.map(part => JSON.parse(part)));
  });
  response.on('error', () => {});
  return lines;
}

t.test('a watch tells of those that it selects, also that one has left them', async t => {
  const { ask, open } = await startApi(t);
  const label = (tier: string) => ({ labels: { tier } });
  await ask('POST', MAPS, { body: configMap('a', {}, label('x')) });
  const response = await open('GET', `${MAPS}?watch=1&labelSelector=tier%3Dx`);
  const lines = linesOf(response);
  t.ok(await until(() => lines.length === 1), 'what is there');
  const patch = (name: string, tier: string) =>
    ask('PATCH', `${MAPS}/${name}`, {
      body: { metadata: label(tier) },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
  await ask('POST', MAPS, { body: configMap('b', {}, label('y')) });
  await patch('a', 'y');
  await patch('b', 'x');
  await ask('DELETE', `${MAPS}/b`);
  await ask('DELETE', `${MAPS}/a`);
  t.ok(await until(() => lines.length === 4));
  t.same(
    lines.map(({ type, object }) => `${type} ${(object.metadata as { name: string }).name}`),
    ['ADDED a', 'DELETED a', 'ADDED b', 'DELETED b'],
  );
  response.destroy();
});

t.test('a watch from a version, as a table, with bookmarks, and for a time', async t => {
  const { ask, open } = await startApi(t);
  const { body } = await ask('GET', MAPS);
  const { resourceVersion } = body.metadata as { resourceVersion: string };
  await ask('POST', MAPS, { body: configMap('a') });
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
  const table = await open('GET', `${MAPS}?watch=1&resourceVersion=${resourceVersion}&timeoutSeconds=1`, {
    headers: { accept },
  });
  const lines = linesOf(table);
  await new Promise(resolve => table.on('end', resolve));
  t.match(lines, [{ type: 'ADDED', object: { kind: 'Table', rows: [{ cells: ['a', 0] }] } }]);
  const initial = await open(
    'GET',
    `${MAPS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`,
  );
  const first = linesOf(initial);
  t.ok(await until(() => first.length === 2));
  t.match(first[1], {
    type: 'BOOKMARK',
    object: { kind: 'ConfigMap', metadata: { annotations: { 'k8s.io/initial-events-end': 'true' } } },
  });
  initial.destroy();
  const old = linesOf(await open('GET', `${MAPS}?watch=1&resourceVersion=5`));
  t.ok(await until(() => old.length === 1));
  t.match(old[0], { type: 'ERROR', object: { code: 410, reason: 'Expired' } });
});

t.test('a client that does not read is dropped', async t => {
  const { ask, open, logged } = await startApi(t);
  const response = await open('GET', `${MAPS}?watch=1&resourceVersion=`);
  response.pause();
  const data = { big: 'x'.repeat(900_000) };
  for (let i = 0; i < 12; i++) await ask('POST', MAPS, { body: configMap(`m${i}`, data) });
  t.ok(await until(() => logged.some(line => line.startsWith('a watch is dropped'))));
  const { text } = await ask('GET', '/metrics');
  t.match(text, /podspace_watches_dropped_total 1/);
  response.destroy();
});

t.test('however much there is at the beginning, it is told to who reads it', async t => {
  const { ask, open, logged } = await startApi(t);
  const data = { big: 'x'.repeat(900_000) };
  for (let i = 0; i < 7; i++) await ask('POST', MAPS, { body: configMap(`m${i}`, data) });
  const response = await open('GET', `${MAPS}?watch=1`);
  const lines = linesOf(response);
  t.ok(await until(() => lines.length === 7));
  await ask('POST', MAPS, { body: configMap('more', data) });
  t.ok(await until(() => lines.length === 8));
  t.strictSame(
    logged.filter(line => line.startsWith('a watch is dropped')),
    [],
  );
  response.destroy();
});

t.test('one user does not have all that stays open', async t => {
  const { ask, open } = await startApi(t);
  const opened = [];
  for (let i = 0; i < 400; i++) opened.push(await open('GET', `${PODS}?watch=1`));
  t.match((await ask('GET', `${PODS}?watch=1`)).body, { code: 429, reason: 'TooManyRequests' });
  t.equal((await ask('POST', PODS, { body: pod('a') })).code, 201, 'what is short goes on');
  const bob = { headers: { 'impersonate-user': 'bob' } };
  t.equal((await ask('GET', `${PODS}?watch=1`, bob)).code, 403);
  for (const response of opened) response.destroy();
  let code = 0;
  for (let i = 0; i < 50 && code !== 200; i++) {
    const response = await open('GET', `${PODS}?watch=1&timeoutSeconds=1`);
    code = response.statusCode ?? 0;
    response.destroy();
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  t.equal(code, 200, 'and those that have gone are not counted');
});
