import t from 'tap';
import type { HTTPGetAction } from '../../../../src/kube/types.generated.ts';
import {
  type HttpRequest,
  redirectOf,
  requestOf,
  urlOf,
} from '../../../../src/runtime/handlers/http-request.ts';

const request = (action: Partial<HTTPGetAction>, purpose: 'probe' | 'lifecycle' = 'probe'): HttpRequest =>
  requestOf({ port: 80, ...action }, '10.0.0.2', 8080, purpose);

t.test('the pod’s address unless a host is given; User-Agent and Accept unless they are', t => {
  t.same(request({}), {
    scheme: 'http',
    host: '10.0.0.2',
    port: 8080,
    path: '/',
    hostHeader: undefined,
    headers: [
      ['User-Agent', 'kube-probe/1.36'],
      ['Accept', '*/*'],
    ],
  });
  t.match(request({}, 'lifecycle'), { headers: [['User-Agent', 'kube-lifecycle/1.36']] });
  const own = request({
    host: 'fd00::1',
    scheme: 'HTTPS',
    httpHeaders: [
      { name: 'X-A', value: '1' },
      { name: 'x-a', value: '2' },
      { name: 'Host', value: 'www' },
      { name: 'user-agent', value: 'me' },
      { name: 'Accept', value: '' },
    ],
  });
  t.same(own.headers, [
    ['X-A', '1'],
    ['x-a', '2'],
    ['user-agent', 'me'],
  ]);
  t.equal(own.hostHeader, 'www');
  t.equal(urlOf(own), 'https://[fd00::1]:8080/');
  t.end();
});

t.test('paths', t => {
  const cases: readonly (readonly [path: string, sent: string])[] = [
    ['/healthz', '/healthz'],
    ['healthz', '/healthz'],
    ['/a?b=c&d', '/a?b=c&d'],
    ['/a/../b//c', '/a/../b//c'],
    ['/a#b', '/a'],
    ['http://elsewhere:1/x?y', '/x?y'],
    ['//elsewhere/x', '/x'],
    ['/a b', '/a%20b'],
    ['/ä', '/%C3%A4'],
    ['/%41', '/%41'],
    ['/100%?x', '/100%25%3Fx'],
    ['/a\r\nX: y', '/a%0D%0AX:%20y'],
    ['/?q=a b\n', '/?q=a%20b%0A'],
    ['', '/'],
  ];
  for (const [path, sent] of cases) t.equal(request({ path }).path, sent, path);
  t.end();
});

t.test('redirects', t => {
  const first = request({ path: '/a/b', httpHeaders: [{ name: 'Host', value: 'www' }] });
  const to = (status: number, location: string | undefined, hops = 1) =>
    redirectOf(first, first, status, location, hops);
  t.equal(to(200, '/x'), undefined);
  t.equal(to(304, '/x'), undefined);
  t.equal(to(302, undefined), undefined);
  t.equal(to(302, ''), undefined);
  for (const status of [301, 302, 303, 307, 308])
    t.match(to(status, '/x?y'), {
      kind: 'request',
      request: { path: '/x?y', hostHeader: 'www', port: 8080 },
    });
  t.match(to(302, 'c'), { request: { path: '/a/c' } });
  t.match(to(302, 'https://10.0.0.2/'), {
    request: { scheme: 'https', port: 443, path: '/', hostHeader: undefined },
  });
  t.same(to(302, 'http://10.0.0.3:8080/'), { kind: 'elsewhere' });
  t.same(to(302, '//10.0.0.3/'), { kind: 'elsewhere' });
  t.same(to(302, 'http://www/'), { kind: 'elsewhere' });
  t.match(to(302, 'ftp://10.0.0.2/'), { kind: 'error', message: 'unsupported protocol scheme "ftp"' });
  t.match(to(302, 'http://[::1'), {
    kind: 'error',
    message: 'failed to parse Location header "http://[::1"',
  });
  t.match(to(302, '/', 9), { kind: 'request' });
  t.match(to(302, '/', 10), { kind: 'error', message: 'stopped after 10 redirects' });
  t.end();
});
