import t from 'tap';
import { configMap, MAPS, PODS, pod, startApi } from './api-client.ts';

t.test('discovery: each group alone, and all at once', async t => {
  const { ask } = await startApi(t);
  t.match((await ask('GET', '/api')).body, { kind: 'APIVersions', versions: ['v1'] });
  const { body } = await ask('GET', '/apis/rbac.authorization.k8s.io/v1');
  t.match(body, { kind: 'APIResourceList', groupVersion: 'rbac.authorization.k8s.io/v1' });
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
  const all = await ask('GET', '/api', { headers: { accept } });
  t.match(all.body, { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' });
  t.match(all.text, /"subresource":"portforward"/);
  const openApi = await ask('GET', '/openapi/v3/api/v1');
  t.match(openApi.text, /"name":"fieldValidation"/, 'by which kubectl leaves validation to the server');
  const { components } = openApi.body as { components: { schemas: Record<string, { properties: object }> } };
  t.match(components.schemas.PodSpec?.properties, { containers: { 'x-kubernetes-patch-merge-key': 'name' } });
  t.equal((await ask('GET', '/apis/no.such/v1')).code, 404);
  t.equal((await ask('GET', '/livez')).text, 'ok');
  t.match((await ask('GET', '/version')).body, { major: '1' });
});

t.test('a pod is defaulted, valid, and told what has no effect', async t => {
  const { ask } = await startApi(t);
  const made = await ask('POST', PODS, { body: pod('a', { nodeSelector: { disk: 'ssd' } }) });
  t.equal(made.code, 201);
  t.match(made.body, {
    metadata: { name: 'a', namespace: 'default', uid: /^[0-9a-f-]{36}$/, resourceVersion: /^\d+$/ },
    spec: { restartPolicy: 'Always', serviceAccountName: 'default', terminationGracePeriodSeconds: 30 },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
  });
  t.ok(made.warnings.length > 0 && made.warnings.every(each => /^299 - "/.test(each)), made.warnings.join());
  t.notMatch(made.warnings.join(), /attached run/);
  t.match((await ask('POST', PODS, { body: pod('a') })).body, {
    status: 'Failure',
    reason: 'AlreadyExists',
    message: 'pods "a" already exists',
    details: { name: 'a', kind: 'pods' },
    code: 409,
  });
  const invalid = await ask('POST', PODS, { body: pod('B', { restartPolicy: 'Sometimes' }) });
  t.equal(invalid.code, 422);
  t.match(invalid.body, {
    reason: 'Invalid',
    details: {
      name: 'B',
      kind: 'Pod',
      causes: [
        {
          reason: 'FieldValueInvalid',
          field: 'metadata.name',
          message: /^Invalid value: "B": a lowercase RFC 1123/,
        },
        { reason: 'FieldValueNotSupported', field: 'spec.restartPolicy' },
      ],
    },
  });
  const generated = await ask('POST', PODS, { body: pod('', {}, { name: '', generateName: 'web-' }) });
  t.match(generated.body.metadata, { name: /^web-[b-z2-9]{5}$/ });
  t.match((await ask('POST', PODS, { body: pod('c', { serviceAccountName: 'bob' }) })).body, {
    code: 403,
    message:
      'pods "c" is forbidden: error looking up service account default/bob: serviceaccount "bob" not found',
  });
});

t.test('what is unknown is refused, told or passed over, as was asked', async t => {
  const { ask } = await startApi(t);
  const wrong = { ...configMap('a', { k: 'v' }), dat: {}, metadata: { name: 'a', lables: {} } };
  const strict = await ask('POST', `${MAPS}?fieldValidation=Strict`, { body: wrong });
  t.equal(strict.code, 400);
  t.equal(
    strict.body.message,
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "metadata.lables", unknown field "dat"',
  );
  t.equal((await ask('POST', `${MAPS}?fieldValidation=Maybe`, { body: wrong })).code, 400);
  const warned = await ask('POST', `${MAPS}?dryRun=All`, { body: wrong });
  t.same([warned.code, warned.warnings.length], [201, 2]);
  t.match(warned.warnings[0], /^299 - "unknown field \\"metadata.lables\\""$/);
  const ignored = await ask('POST', `${MAPS}?fieldValidation=Ignore`, { body: wrong });
  t.same([ignored.code, ignored.warnings], [201, []]);
  t.match((await ask('POST', MAPS, { body: { ...configMap('b'), data: { k: 5 } } })).body, {
    code: 400,
    message: /json: cannot unmarshal number into Go struct field ConfigMap\.data of type string$/,
  });
});

t.test('requests that contradict themselves', async t => {
  const { ask } = await startApi(t);
  const message = async (method: string, path: string, body: unknown): Promise<unknown> => {
    const answer = await ask(method, path, { body });
    return `${answer.code} ${answer.body.message}`;
  };
  t.equal(
    await message('POST', MAPS, configMap('a', {}, { namespace: 'other' })),
    '400 the namespace of the provided object does not match the namespace sent on the request',
  );
  t.equal(
    await message('POST', MAPS.replace('default', 'none'), configMap('a')),
    '404 namespaces "none" not found',
  );
  t.match(await message('POST', MAPS, pod('a')), /^400 Pod in version "v1" cannot be handled as a ConfigMap/);
  t.match(
    await message('POST', MAPS, { ...configMap('a'), apiVersion: 'v2' }),
    /^400 the API version in the data \(v2\)/,
  );
  t.match(await message('POST', MAPS, configMap('')), /^422 .*name or generateName is required/);
  t.match(await message('POST', MAPS, 'text'), /^400/);
  t.match(await message('POST', MAPS, Buffer.from('{"kind": ')), /^400 the object provided is unrecognized/);
  t.equal(
    (await ask('POST', MAPS, { body: configMap('y'), headers: { 'content-type': 'text/csv' } })).code,
    415,
  );
  const yaml = Buffer.from('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yy}\ndata: {a: b}\n');
  t.equal(
    (await ask('POST', MAPS, { body: yaml, headers: { 'content-type': 'application/yaml' } })).code,
    201,
  );
  t.match(
    await message('PUT', `${MAPS}/yy`, configMap('z')),
    /^400 the name of the object \(z\) does not match the name on the URL \(yy\)/,
  );
  t.match(await message('PUT', `${MAPS}/none`, configMap('none')), '404 configmaps "none" not found');
  t.match(await message('PUT', MAPS, configMap('y')), /^400/);
  t.match(await message('POST', '/api/v1/nodes', {}), /^405/);
  t.match(
    await message('GET', '/apis/apps/v1/namespaces/default/deployments', undefined),
    /^404 deployments\.apps are not served: podspace has no controllers, those belong to a cluster/,
  );
});

t.test('patches of three kinds, and versions that are stale', async t => {
  const { ask, registry } = await startApi(t);
  await ask('POST', MAPS, { body: configMap('a', { x: '1', y: '2' }) });
  const patch = (type: string, body: unknown) =>
    ask('PATCH', `${MAPS}/a`, { body, headers: { 'content-type': `application/${type}` } });
  t.match((await patch('merge-patch+json', { data: { x: null, z: '3' } })).body.data, { y: '2', z: '3' });
  t.match((await patch('json-patch+json', [{ op: 'add', path: '/data/q', value: '4' }])).body.data, {
    q: '4',
  });
  t.match((await patch('strategic-merge-patch+json', { data: { $patch: 'replace', only: '5' } })).body.data, {
    only: '5',
  });
  t.equal((await patch('json-patch+json', [{ op: 'test', path: '/data/only', value: 'no' }])).code, 422);
  t.equal((await patch('json-patch+json', [{ op: 'remove', path: '/none/at/all' }])).code, 422);
  t.equal((await patch('json-patch+json', { op: 'add' })).code, 400);
  t.equal((await patch('apply-patch+yaml', {})).code, 415, 'for which kubectl has words');
  t.match((await patch('merge-patch+json', { metadata: { resourceVersion: '1' } })).body, {
    code: 409,
    reason: 'Conflict',
    message: /the object has been modified; please apply your changes to the latest version and try again/,
  });
  t.equal((await patch('merge-patch+json', { metadata: { name: 'b' } })).code, 400);
  const before = registry.resourceVersion;
  await ask('PATCH', `${MAPS}/a?dryRun=All`, {
    body: { data: { n: '1' } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  t.equal(registry.resourceVersion, before, 'a dry run changes nothing');
});

t.test('of a pod only a few fields can change', async t => {
  const { ask } = await startApi(t);
  await ask('POST', PODS, { body: pod('a') });
  const patch = async (body: unknown): Promise<string> => {
    const headers = { 'content-type': 'application/strategic-merge-patch+json' };
    const answer = await ask('PATCH', `${PODS}/a`, { body, headers });
    return `${answer.code} ${answer.body.message ?? ''}`;
  };
  t.equal(await patch({ metadata: { labels: { a: 'b' } } }), '200 ');
  t.equal(await patch({ spec: { containers: [{ name: 'main', image: 'busybox:2' }] } }), '200 ');
  t.equal(await patch({ spec: { activeDeadlineSeconds: 50 } }), '200 ');
  t.match(
    await patch({ spec: { activeDeadlineSeconds: 60 } }),
    /^422 .*must be less than or equal to previous value/,
  );
  t.match(
    await patch({ spec: { hostNetwork: true } }),
    /^422 .*spec: Forbidden: pod updates may not change fields other than/,
  );
  t.match(
    await patch({ spec: { containers: [{ name: 'new', image: 'x' }] } }),
    /^422 .*pod updates may not add or remove containers/,
  );
  t.match(await patch({ metadata: { labels: { a: '!' } } }), /^422 .*metadata\.labels/);
  const status = await ask('PATCH', `${PODS}/a/status`, {
    body: { status: { phase: 'Running' }, spec: { hostPID: true } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  t.match(status.body, { status: { phase: 'Running' } });
  t.notMatch(status.body.spec, { hostPID: true }, 'only the status');
});

t.test('lists: selectors, pages and tables', async t => {
  const { ask } = await startApi(t);
  for (const [name, tier] of [
    ['a', 'x'],
    ['b', 'x'],
    ['c', 'y'],
    ['d', 'x'],
  ])
    await ask('POST', MAPS, { body: configMap(name ?? '', {}, { labels: { tier } }) });
  const names = async (query: string): Promise<unknown> => {
    const { body } = await ask('GET', `${MAPS}?${query}`);
    return body.items?.map(({ metadata }) => metadata.name) ?? body.message;
  };
  t.same(await names('labelSelector=tier%3Dx'), ['a', 'b', 'd']);
  t.same(await names('labelSelector=tier+notin+(x,z)'), ['c']);
  t.same(await names('labelSelector=!tier'), []);
  t.same(await names('fieldSelector=metadata.name%3Dc'), ['c']);
  t.same(await names('fieldSelector=metadata.name!%3Dc,metadata.namespace%3Ddefault'), ['a', 'b', 'd']);
  t.equal(await names('fieldSelector=spec.nodeName%3Dc'), 'field label not supported: spec.nodeName');
  t.match(await names('labelSelector=a%3D%3D%3Db'), /unable to parse requirement/);
  const first = await ask('GET', `${MAPS}?limit=2&labelSelector=tier%3Dx`);
  const { continue: next, remainingItemCount } = first.body.metadata as Record<string, string>;
  t.equal(remainingItemCount, 1);
  t.same(await names(`limit=2&labelSelector=tier%3Dx&continue=${next}`), ['d']);
  t.equal(await names('continue=garbage'), 'continue key is not valid');
  t.match(await names('limit=-1'), /ParseInt/);
  t.match((await ask('GET', `${MAPS}?resourceVersion=9999999999999999`)).body, { code: 504 });
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
  const table = (await ask('GET', MAPS, { headers: { accept } })).body;
  t.match(table, { kind: 'Table', columnDefinitions: [{ name: 'Name' }, {}, { name: 'Age' }] });
  t.match(table.rows, [{ cells: ['a', 0, /s$/], object: { kind: 'PartialObjectMetadata' } }]);
  t.equal((await ask('GET', MAPS, { headers: { accept: 'text/html' } })).code, 406);
});

t.test('deletes: one, some, with preconditions, and evicted', async t => {
  const { ask, registry } = await startApi(t);
  for (const name of ['a', 'b', 'c'])
    await ask('POST', MAPS, { body: configMap(name, {}, { labels: { name } }) });
  t.equal((await ask('DELETE', `${MAPS}/a`, { body: { preconditions: { uid: 'other' } } })).code, 409);
  t.match((await ask('DELETE', `${MAPS}/a?dryRun=All`)).code, 200);
  t.match((await ask('DELETE', `${MAPS}/a`)).body, {
    status: 'Success',
    details: { name: 'a', kind: 'configmaps' },
  });
  t.equal((await ask('DELETE', `${MAPS}/a`)).code, 404);
  t.equal((await ask('DELETE', `${MAPS}?labelSelector=name%3Db`)).body.items?.length, 1);
  t.equal((await ask('GET', MAPS)).body.items?.length, 1);
  await ask('POST', PODS, { body: pod('p') });
  t.equal((await ask('DELETE', `${PODS}/p`, { body: { gracePeriodSeconds: 'x' } })).code, 400);
  const eviction = {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: 'p' },
    deleteOptions: { gracePeriodSeconds: 7 },
  };
  t.equal((await ask('POST', `${PODS}/p/eviction`, { body: eviction })).code, 201);
  t.equal(registry.get('Pod', 'default', 'p')?.metadata.deletionGracePeriodSeconds, 7);
  t.match((await ask('DELETE', `${PODS}/p?gracePeriodSeconds=0`)).body.metadata, {
    deletionGracePeriodSeconds: 0,
  });
});
