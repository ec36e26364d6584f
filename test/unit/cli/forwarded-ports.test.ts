import t from 'tap';
import { UserError } from '../../../src/base/errors.ts';
import { parseAddresses, parsePorts } from '../../../src/cli/forwarded-ports.ts';
import { parseArguments } from '../../../src/cli/parse.ts';

const CONTAINER_PORTS = [
  { name: 'http', containerPort: 8080 },
  { name: 'dns', containerPort: 53, protocol: 'UDP' },
  { containerPort: 54, protocol: 'UDP' },
  { containerPort: 54 },
  { name: 'sctp', containerPort: 99, protocol: 'SCTP' },
];

/** `LOCAL:REMOTE` of each, or the message. */
function ports(...words: readonly string[]): string {
  try {
    return parsePorts(words, 'web', CONTAINER_PORTS)
      .map(({ local, remote }) => `${local}:${remote}`)
      .join(' ');
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

t.test('ports, in kubectl’s forms', t => {
  for (const [word, forwarded] of [
    ['80', '80:80'],
    ['8080:80', '8080:80'],
    [':80', '0:80'],
    ['0:80', '0:80'],
    ['080:0080', '80:80'],
    ['65535', '65535:65535'],
    ['http', '8080:8080'],
    ['80:http', '80:8080'],
    [':http', '0:8080'],
    ['54', '54:54'],
    ['99', '99:99'],
  ] as const)
    t.equal(ports(word), forwarded, word);
  t.equal(ports('80', '8080:81', ':82'), '80:80 8080:81 0:82');
  t.end();
});

t.test('what is no port, in kubectl’s words', t => {
  const parse = (side: string, text: string, reason: string): string =>
    `error parsing ${side} port '${text}': strconv.ParseUint: parsing "${text}": ${reason}`;
  for (const [word, message] of [
    ['', 'remote port cannot be empty'],
    ['80:', 'remote port cannot be empty'],
    [':', 'remote port cannot be empty'],
    ['1:2:3', "invalid port format '1:2:3'"],
    ['::80', "invalid port format '::80'"],
    ['0', 'remote port must be > 0'],
    ['80:0', 'remote port must be > 0'],
    ['65536', parse('local', '65536', 'value out of range')],
    ['80:65536', parse('remote', '65536', 'value out of range')],
    ['99999999999999999999', parse('local', '99999999999999999999', 'value out of range')],
    ['x:80', parse('local', 'x', 'invalid syntax')],
    ['http:80', parse('local', 'http', 'invalid syntax')],
    [' 80:80', parse('local', ' 80', 'invalid syntax')],
    ['-1', parse('local', '-1', 'invalid syntax')],
    ['80:+80', parse('remote', '+80', 'invalid syntax')],
    ['https', "Pod 'web' does not have a named port 'https'"],
    ['80:0x50', "Pod 'web' does not have a named port '0x50'"],
    ['53', 'UDP protocol is not supported for 53'],
    ['80:dns', 'UDP protocol is not supported for dns'],
  ] as const)
    t.equal(ports(word), message, JSON.stringify(word));
  t.equal(ports('80', 'x:81'), parse('local', 'x', 'invalid syntax'), 'one of several');
  t.end();
});

t.test('addresses to listen on', t => {
  const of = (text: string): string =>
    parseAddresses(text)
      .map(({ address, isOptional }) => `${address}${isOptional ? '?' : ''}`)
      .join(' ');
  for (const [text, addresses] of [
    ['localhost', '127.0.0.1? ::1?'],
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['::', '::'],
    ['192.0.2.2,192.0.2.1', '192.0.2.1 192.0.2.2'],
    ['localhost,192.0.2.1', '127.0.0.1? 192.0.2.1 ::1?'],
    ['localhost,127.0.0.1', '127.0.0.1 ::1?'],
    ['127.0.0.1,localhost', '127.0.0.1 ::1?'],
    ['::1,::1', '::1'],
  ] as const)
    t.equal(of(text), addresses, text);
  for (const bad of ['example.org', '', '127.0.0.1,', '127.0.0.1 ', '256.0.0.1', '[::1]', 'localhost:80'])
    t.throws(() => parseAddresses(bad), { message: `${bad.split(',').at(-1)} is not a valid IP` }, bad);
  t.end();
});

t.test('the command line takes any number of ports, and one at least', t => {
  const values = (...words: readonly string[]): unknown => {
    const parsed = parseArguments(['port-forward', ...words]);
    return parsed.kind === 'command' ? { ...parsed.args.values } : undefined;
  };
  t.same(values('web', '80'), { address: 'localhost', pod: 'web', port: ['80'] });
  t.same(values('web', '80', '--address=::1', ':81', '82:83'), {
    address: '::1',
    pod: 'web',
    port: ['80', ':81', '82:83'],
  });
  for (const words of [[], ['web']])
    t.throws(() => values(...words), { message: /^podspace port-forward needs (POD|PORT): / });
  t.throws(() => parseArguments(['inspect', 'web', '80']), { message: 'unexpected argument "80"' });
  t.end();
});
