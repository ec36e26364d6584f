import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Attack, instead, link, node, sh, testAttacks } from './hostile.ts';

/** Images whose /etc/passwd or /etc/group is an attack on who reads it. */

const write =
  (path: string, content: string | Buffer) =>
  (root: string): void =>
    writeFileSync(join(root, path), content);
const passwd = (content: string | Buffer): ((root: string) => void) => write('etc/passwd', content);
const group = (content: string | Buffer): ((root: string) => void) => write('etc/group', content);
/** Not id(1), which would read these files itself. */
const WHO = sh(
  'set -- $(grep -E "^(Uid|Groups)" /proc/self/status); shift; echo $1; shift 5; echo $*; echo "home $HOME"',
);
const asGuest = { ...WHO, securityContext: { runAsUser: 405 } };
/** As which nobody is known: the primary group is root's, as in every runtime, and there is no home. */
const UNKNOWN: Attack['expect'] = { ran: /^405\n0\nhome \/\n$/ };
const NO_USER = { refused: /^unable to find user guest: no matching entries in passwd file$/ };

const notAFile = (path: string): Readonly<Record<string, (root: string, canary: string) => void>> => ({
  'a FIFO': node(path),
  'a device without end': node(path, 'c 1 5'),
  'the machine’s memory': node(path, 'c 1 1'),
  'a block device': node(path, 'b 7 0'),
  'a directory': root => instead(root, path, at => mkdirSync(at)),
  'a link to itself': link(path, path.slice(4)),
  'a link to the outside': link(path, canary => `${canary}/passwd`),
  'a link through /proc': link(path, canary => `/proc/self/root${canary}/passwd`),
  'a link to the terminal of the import': link(path, '/dev/tty'),
});

const tables: Record<string, Attack> = {};
for (const [what, build] of Object.entries(notAFile('etc/passwd'))) {
  tables[`/etc/passwd is ${what}`] = what.startsWith('a link')
    ? { build, config: { User: 'guest' }, container: WHO, expect: NO_USER }
    : { build, container: asGuest, expect: UNKNOWN };
}
for (const [what, build] of Object.entries(notAFile('etc/group')))
  tables[`/etc/group is ${what}`] = {
    build,
    container: asGuest,
    expect: { ran: /^405\n100\nhome \/home\/guest\n$/ },
  };

const LINE = 'guest:x:405:100:Guest:/home/guest:/bin/sh\n';
const fields = Array.from({ length: 100_000 }, (_, i) => String(i)).join(':');

testAttacks({
  ...tables,
  '/etc/passwd is a line of a hundred thousand fields': {
    build: passwd(`${fields}\n${LINE}`),
    container: asGuest,
    expect: { ran: /^405\n20 100\nhome \/home\/guest\n$/ },
  },
  'the user’s own line has a hundred thousand fields': {
    build: passwd(`guest:x:405:100:${fields}\n`),
    container: asGuest,
    expect: UNKNOWN,
  },
  '/etc/passwd is random bytes': { build: passwd(randomBytes(1 << 19)), container: asGuest, expect: UNKNOWN },
  '/etc/passwd is NULs': { build: passwd(Buffer.alloc(1 << 19)), container: asGuest, expect: UNKNOWN },
  '/etc/passwd is larger than what is read': {
    build: passwd(`${'x:x:1:1:::\n'.repeat(100_000)}${LINE}`),
    container: asGuest,
    expect: UNKNOWN,
  },
  '/etc/passwd has a million empty lines': {
    build: passwd(`${'\n'.repeat(1_000_000)}${LINE}`),
    container: asGuest,
    expect: { ran: /^405\n20 100\nhome \/home\/guest\n$/ },
  },
  'a home with a NUL in it': {
    build: passwd('guest:x:405:100:Guest:/home\0/guest:/bin/sh\n'),
    container: asGuest,
    expect: { refused: /NUL byte/ },
  },
  'a home that is no UTF-8, with control characters': {
    build: passwd(Buffer.from('guest:x:405:100:Guest:/\xff\x1b[2J=\r:/bin/sh\n', 'latin1')),
    container: asGuest,
    expect: { ran: /^405\n20 100\nhome \// },
  },
  'lines that end in CR LF': {
    build: passwd(LINE.replace('\n', '\r\n')),
    container: asGuest,
    expect: { ran: /^405\n20 100\nhome \/home\/guest\n$/ },
  },
  'ids that are nearly root’s': {
    build: passwd(
      ['0x0', '00', '-0', '+0', ' 0', '0 ', '4294967296', '18446744073709551616', '1e1', '']
        .map(id => `guest:x:${id}:${id}:::\n`)
        .join(''),
    ),
    config: { User: 'guest' },
    container: WHO,
    expect: NO_USER,
  },
  'a user is in more groups than the kernel knows': {
    build: group(
      Array.from({ length: 70_000 }, (_, i) => `g:x:${i}:guest\n`)
        .join('')
        .slice(0, 1 << 20),
    ),
    container: asGuest,
    expect: { refused: /^instruction \d+: setgroups\(.*: EINVAL / },
  },
  'a group has a hundred thousand members': {
    build: group(
      `many:x:5:${'x,'.repeat(10_000)}guest\nfew:x:6:guest\nmore:x:7:${'x,'.repeat(100_000)}guest\n`,
    ),
    container: asGuest,
    expect: { ran: /^405\n5 6 100\n/ },
  },
  '/etc/group is random bytes': {
    build: group(randomBytes(1 << 19)),
    container: asGuest,
    expect: { ran: /^405\n100\n/ },
  },
});
