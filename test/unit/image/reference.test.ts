import fc from 'fast-check';
import t from 'tap';
import { formatReference, parseReference } from '../../../src/image/reference.ts';

const SHA256 = `sha256:${'0123456789abcdef'.repeat(4)}`;

t.test('names as a Kubernetes node completes them', t => {
  const cases: Readonly<Record<string, string>> = {
    busybox: 'docker.io/library/busybox:latest',
    'busybox:1.36': 'docker.io/library/busybox:1.36',
    'docker.io/busybox': 'docker.io/library/busybox:latest',
    'index.docker.io/busybox': 'docker.io/library/busybox:latest',
    'index.docker.io/library/busybox': 'docker.io/library/busybox:latest',
    'bitnami/nginx': 'docker.io/bitnami/nginx:latest',
    'a/b/c': 'docker.io/a/b/c:latest',
    localhost: 'docker.io/library/localhost:latest',
    'localhost/app': 'localhost/app:latest',
    'localhost:5000/app': 'localhost:5000/app:latest',
    'foo:5000': 'docker.io/library/foo:5000',
    'foo:5000/bar': 'foo:5000/bar:latest',
    '127.0.0.1/x': '127.0.0.1/x:latest',
    '[2001:db8::1]:5000/repo': '[2001:db8::1]:5000/repo:latest',
    'xn--n3h.com/x': 'xn--n3h.com/x:latest',
    'Registry/x': 'Registry/x:latest',
    a__b: 'docker.io/library/a__b:latest',
    'a--b': 'docker.io/library/a--b:latest',
    [`app@${SHA256}`]: `docker.io/library/app@${SHA256}`,
    [`app:v1@${SHA256}`]: `docker.io/library/app:v1@${SHA256}`,
    [`quay.io/a:${'t'.repeat(128)}`]: `quay.io/a:${'t'.repeat(128)}`,
  };
  for (const [text, reference] of Object.entries(cases))
    t.equal(formatReference(parseReference(text)), reference, text);
  t.same(parseReference(`quay.io/app@${SHA256}`), {
    domain: 'quay.io',
    path: 'app',
    tag: undefined,
    digest: SHA256,
  });
  t.end();
});

t.test('what is none, in the words of a node', t => {
  const invalid = 'invalid reference format';
  const cases: Readonly<Record<string, string>> = {
    ...Object.fromEntries(
      [
        ...['', ' ', ' a', 'a ', 'a b', 'a\n', 'a\0', '日本', '-a', 'a-', '.a', 'a.', '/a', 'a/', 'a//b'],
        ...['.', '..', '../a', 'a/../b', 'a/./b', '../../etc/passwd', 'a%2fb', 'a\\b', 'a..b', 'a___b'],
        ...['a:', 'a:b:c', 'a:.t', 'a:-t', `a:${'t'.repeat(129)}`, 'a@', 'a@b', '@', ':', 'http://x/y'],
        ...['-x.com/y', 'x-.com/y', 'foo_bar.com/x', 'docker.io/', '[::1/x', '[g::]/x', 'a:b@sha256:'],
      ].map(text => [text, invalid]),
    ),
    App: `${invalid}: repository name (library/App) must be lowercase`,
    'localhost/App:v1': `${invalid}: repository name (App) must be lowercase`,
    [`a@${SHA256.slice(0, -1)}`]: 'invalid checksum digest length',
    [`a@${SHA256}0`]: 'invalid checksum digest length',
    [`a@sha256:${'A'.repeat(64)}`]: 'invalid checksum digest format',
    [`a@md5:${'a'.repeat(32)}`]: 'unsupported digest algorithm',
    [`a@constructor:${'a'.repeat(32)}`]: 'unsupported digest algorithm',
    [`localhost/${'a'.repeat(256)}`]: 'repository name must not be more than 255 characters',
    ['a'.repeat(64)]:
      `invalid repository name (${'a'.repeat(64)}), cannot specify 64-byte hexadecimal strings`,
  };
  for (const [text, why] of Object.entries(cases))
    t.throws(
      () => parseReference(text),
      { name: 'UserError', message: `couldn't parse image name ${JSON.stringify(text)}: ${why}` },
      JSON.stringify(text),
    );
  t.end();
});

t.test('a completed name stays as it is, and any text has an answer at once', t => {
  const letters = fc.constantFrom(...'ab0A.-_:/@[] \n'.split(''), 'localhost', 'sha256:', SHA256);
  const text = fc.array(letters, { maxLength: 12 }).map(parts => parts.join(''));
  let [valid, invalid] = [0, 0];
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(text, name => {
        let reference: string;
        try {
          reference = formatReference(parseReference(name));
        } catch (error) {
          invalid++;
          return error instanceof Error && error.name === 'UserError';
        }
        valid++;
        return formatReference(parseReference(reference)) === reference;
      }),
      { numRuns: 5000 },
    ),
  );
  t.ok(valid > 50 && invalid > 50, `${valid} names, ${invalid} others`);
  const start = Date.now();
  for (const long of ['a-', 'a', '-', 'a/', 'a.', 'a.b/', '[', '@a', 'a_'])
    t.throws(() => parseReference(`${long.repeat(100_000)}!`));
  t.ok(Date.now() - start < 2000);
  t.end();
});
