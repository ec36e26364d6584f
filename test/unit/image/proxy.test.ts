import t from 'tap';
import { isWithoutProxy } from '../../../src/image/registry/proxy.ts';

t.test('what NO_PROXY takes out, as in Go’s httpproxy', t => {
  const cases: readonly (readonly [url: string, noProxy: string, expected: boolean])[] = [
    ['https://a.example.org/', '', false],
    ['https://a.example.org/', '*', true],
    ['https://a.example.org/', 'b.example.org, a.example.org', true],
    ['https://a.example.org/', 'EXAMPLE.org', true],
    ['https://example.org/', '.example.org', false],
    ['https://a.example.org/', '*.example.org', true],
    ['https://notexample.org/', 'example.org', false],
    ['https://a.example.org:5000/', 'a.example.org:5000', true],
    ['https://a.example.org:5001/', 'a.example.org:5000', false],
    ['https://a.example.org/', 'a.example.org:443', true],
    ['https://10.1.2.3/', '10.0.0.0/8', true],
    ['https://11.1.2.3/', '10.0.0.0/8', false],
    ['https://[fd00::1]/', 'fd00::/8', true],
    ['https://[fd00::1]/', '10.0.0.0/8', false],
    ['https://[fd00::1]:5000/', 'fd00::1', true],
    ['https://[fd00::1]:5000/', '[fd00::1]:5001', false],
    ['https://10.1.2.3/', '10.0.0.0/99', false],
  ];
  for (const [url, noProxy, expected] of cases)
    t.equal(isWithoutProxy(new URL(url), noProxy), expected, `${url} ${noProxy}`);
  t.end();
});
