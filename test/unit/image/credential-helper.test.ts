import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { pullImage } from '../../../src/image/pull.ts';
import { findCredentials } from '../../../src/image/registry/credentials.ts';
import { ImageStore } from '../../../src/image/store.ts';
import { makeImage } from './image-builder.ts';
import { startRegistry } from './registry-server.ts';

const HUB = 'https://index.docker.io/v1/';

/** A helper that knows some registries, and fails in some ways for others. */
const HELPER = `#!/bin/sh
[ "$1" = get ] || exit 9
read -r url || true
echo "$url" >> "$LOG"
case $url in
  good.example|${HUB}|good.example/team) echo '{"ServerURL":"'"$url"'","Username":"'"$NAME"'","Secret":"word"}';;
  token.example) echo '{"ServerURL":"x","Username":"<token>","Secret":"refresh"}';;
  empty.example) echo '{"ServerURL":"","Username":"","Secret":""}';;
  odd.example) echo '{"Username":1}';;
  text.example) echo 'hello';;
  locked.example) printf 'the store \\033[31mis locked\\nmore\\n'; exit 1;;
  *) echo 'credentials not found in native keychain'; exit 1;;
esac
`;

/** Where such helpers are, and a Docker config beside them. */
function setUp(t: Test, config: object): (domain: string, repository?: string) => Promise<unknown> {
  const directory = t.testdir({ 'config.json': JSON.stringify(config) });
  for (const name of ['one', 'two']) {
    const file = join(directory, `docker-credential-${name}`);
    const set = `NAME=${name} LOG=${directory}/log`;
    writeFileSync(file, HELPER.replace('\n', `\nexport ${set}\n`));
    chmodSync(file, 0o755);
  }
  const { PATH } = process.env;
  process.env.PATH = `${directory}:${PATH}`;
  t.teardown(() => (process.env.PATH = PATH));
  const store = new ImageStore(join(directory, 'state'));
  return (domain, repository = 'app') =>
    findCredentials(domain, repository, store, [], { DOCKER_CONFIG: directory });
}

t.test('a helper for some registries, and one for all', async t => {
  const find = setUp(t, {
    credHelpers: { 'good.example/team': 'two', 'token.example': 'two', [HUB]: 'two' },
    credsStore: 'one',
    auths: { 'file.example': { username: 'file', password: 'p' }, 'good.example': {} },
  });
  const known = (username: string): object => ({ username, password: 'word' });
  t.same(await find('good.example'), known('one'));
  t.same(await find('good.example', 'team/app'), known('two'), 'the longest prefix');
  t.same(await find('docker.io', 'library/nginx'), known('two'), 'Docker Hub by its old name');
  t.same(await find('token.example'), { username: '<token>', identityToken: 'refresh' });
  t.same(await find('file.example'), { username: 'file', password: 'p' }, 'the store has nothing');
  t.equal(await find('empty.example'), undefined);
  t.equal(await find('other.example'), undefined);
});

t.test('a helper that fails is one line', async t => {
  const find = setUp(t, {
    credsStore: 'one',
    credHelpers: { 'none.example': 'none', 'path.example': '../../bin/sh', 'list.example': ['sh', '-c'] },
  });
  const cases: Readonly<Record<string, RegExp>> = {
    'none.example': /^\S+config\.json: docker-credential-none is not there$/,
    'path.example': /^\S+config\.json: "..\/..\/bin\/sh" is no credential helper$/,
    'list.example': /^\S+config\.json: "sh,-c" is no credential helper$/,
    'odd.example': /^docker-credential-one gives no Username and Secret$/,
    'text.example': /^answer of docker-credential-one: it is no JSON$/,
    'locked.example': /^docker-credential-one: the store \?\[31mis locked$/,
  };
  for (const [domain, message] of Object.entries(cases))
    await t.rejects(find(domain), { name: 'UserError', message }, domain);
});

t.test('a Secret of a pod names no program', async t => {
  const find = setUp(t, {});
  t.equal(await find('good.example'), undefined);
  const { parseAuths } = await import('../../../src/image/registry/credentials.ts');
  t.same(parseAuths('{"credsStore":"one","credHelpers":{"good.example":"one"}}', 'Secret'), {});
});

const skip = process.geteuid?.() === 0 ? false : 'needs root';

t.test('an identity token is exchanged for another one', { skip }, async t => {
  const registry = await startRegistry();
  t.teardown(() => registry.close());
  const image = makeImage([[{ name: 'a' }]]);
  registry.put('app', 'v1', image.manifest, image);
  registry.auth = { scheme: 'bearer', refresh: 'refresh' };
  const store = new ImageStore(join(t.testdir(), 'state'));
  const pull = (identitytoken: string): Promise<unknown> =>
    pullImage(store, `${registry.host}/app:v1`, {
      retryDelay: 1,
      secrets: [{ [registry.host]: { auth: 'PHRva2VuPjo=', identitytoken } }],
    });
  await t.rejects(pull('other'), { message: /the credentials are not accepted/ });
  await pull('refresh');
  t.notOk(
    registry.requests.some(each => each.includes('refresh')),
    'it is in no address',
  );
  registry.auth = { scheme: 'basic', user: 'x:y' };
  await t.rejects(pull('refresh'), { message: /wants a password, and there is an identity token for it/ });
});
