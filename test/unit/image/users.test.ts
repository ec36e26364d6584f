import t from 'tap';
import { MAX_USER_FILE, parseUsers } from '../../../src/image/users.ts';

const passwd = (text: string): ReturnType<typeof parseUsers>['passwd'] => parseUsers(text, '').passwd;
const group = (text: string): ReturnType<typeof parseUsers>['group'] => parseUsers('', text).group;

t.test('well formed files', t => {
  t.same(passwd('root:x:0:0:root:/root:/bin/sh\nguest:x:405:100:Guest, room 1:/home/guest:/bin/sh\n'), [
    { name: 'root', uid: 0, gid: 0, home: '/root' },
    { name: 'guest', uid: 405, gid: 100, home: '/home/guest' },
  ]);
  t.same(group('root:x:0:\nusers:x:100:games,guest\n'), [
    { name: 'root', gid: 0, members: [] },
    { name: 'users', gid: 100, members: ['games', 'guest'] },
  ]);
  t.same(parseUsers('', ''), { passwd: [], group: [] });
  t.end();
});

t.test('what passwd(5) leaves open', t => {
  t.match(passwd('a:x:1:2:::'), [{ name: 'a', uid: 1, gid: 2, home: '' }], 'an empty home, no last newline');
  t.match(passwd('a:x:1:2:gecos:/home:/bin/sh:more:fields'), [{ name: 'a', home: '/home' }]);
  t.match(passwd('a:x:1:2'), [{ name: 'a', home: '' }], 'a short line');
  t.same(group('g:x:1'), [{ name: 'g', gid: 1, members: [] }]);
  t.same(group('g:x:1:,a,,b,'), [{ name: 'g', gid: 1, members: ['a', 'b'] }]);
  t.match(passwd('\n# comment\n\na:x:1:2:::\n'), [{ name: 'a' }]);
  t.equal(passwd('a:x:1:1:::\na:x:2:2:::\nb:x:1:3:::\n').length, 3, 'all are kept, in their order');
  t.end();
});

t.test('an id is decimal and nothing else: no odd spelling becomes root', t => {
  const ids = [
    '',
    ' ',
    '00',
    '01',
    '-0',
    '+0',
    '0x0',
    '0 ',
    ' 0',
    '0\t',
    '0\r',
    '1e3',
    '0.0',
    '٠',
    '0b0',
    '0\0',
  ];
  const tooLarge = ['4294967295', '4294967296', '99999999999', '-1'];
  for (const id of [...ids, ...tooLarge, 'root', 'NaN', '0,0']) {
    t.same(passwd(`a:x:${id}:1:::`), [], `uid ${JSON.stringify(id)}`);
    t.same(passwd(`a:x:1:${id}:::`), [], `gid ${JSON.stringify(id)}`);
    t.same(group(`g:x:${id}:a`), [], `group ${JSON.stringify(id)}`);
  }
  t.match(passwd('a:x:4294967294:0:::'), [{ uid: 4294967294, gid: 0 }]);
  t.end();
});

t.test('lines that are none are skipped, and the others stand', t => {
  const hostile = [
    'no colons at all',
    ':x:0:0:nameless:/:',
    '::::::',
    '+:::::',
    '+@netgroup::::::',
    'a:x',
    `long${'x'.repeat(40_000)}:x:0:0:::`,
    'cr:x:0:0\r',
  ];
  t.same(passwd([...hostile, 'good:x:7:8::/home:'].join('\n')), [
    { name: 'good', uid: 7, gid: 8, home: '/home' },
  ]);
  const names = group(['+:x:', '-bad', ':x:0:a', 'good:x:9:a', 'nul\0:x:1:'].join('\n')).map(
    ({ name }) => name,
  );
  t.same(names, ['good', 'nul\0']);
  t.end();
});

t.test('names that objects have of their own are only names', t => {
  t.match(passwd('__proto__:x:0:0:::\nconstructor:x:1:1:::\n'), [
    { name: '__proto__', uid: 0 },
    { name: 'constructor', uid: 1 },
  ]);
  t.end();
});

t.test('a file that is made to exhaust memory', t => {
  const line = 'a:x:1:1:::\n';
  const start = Date.now();
  const { passwd: users } = parseUsers(line.repeat(1_000_000), ':'.repeat(10_000_000));
  t.ok(users.length <= MAX_USER_FILE / line.length, `${users.length} entries`);
  t.ok(users.length > 1000);
  t.same(group(`g:x:1:${','.repeat(30_000)}`), [{ name: 'g', gid: 1, members: [] }]);
  t.ok(Date.now() - start < 5000);
  t.end();
});
