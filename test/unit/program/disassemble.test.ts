import t from 'tap';
import { ERRNO, MS } from '../../../src/linux/constants.generated.ts';
import { CWD, flags, NULL, named, num, octal, parameter } from '../../../src/program/builder.ts';
import { disassemble } from '../../../src/program/disassemble.ts';
import { build } from './programs.ts';

const verified = build(b => {
  b.phase('files');
  const fd = b.call('openat', [CWD, b.text('a "quoted"\npath'), b.open('O_RDONLY', 'O_CLOEXEC'), num(0)], {
    ignore: ['ENOENT'],
  });
  b.call('mkdirat', [fd, b.text('d'), octal(0o755)], { ignore: ['EEXIST'], guard: fd });
  b.call('umask', [num(0)]);
  b.phase('rest');
  b.call('mount', [NULL, b.text('/'), NULL, flags(MS, 'MS_REC', 'MS_PRIVATE'), NULL]);
  b.call('dup3', [parameter('stdout'), num(1), flags({})]);
  const buffer = b.bytes(new Uint8Array(8), 'buffer');
  b.store(buffer, 4, fd);
  b.expect(buffer, 0, 1, named(0x2f, "'/'"), named(ERRNO.EPERM, 'EPERM'));
  b.clone();
});

t.test('a program reads like strace', t => {
  t.equal(
    disassemble(verified),
    [
      '# files',
      '   0  r0 = openat(AT_FDCWD, "a \\"quoted\\"\\npath", O_RDONLY|O_CLOEXEC, 0) ?ENOENT',
      '   1  mkdirat(r0, "d", 0755) if r0 ?EEXIST',
      '   2  umask(0)',
      '# rest',
      '   3  mount(NULL, "/", NULL, MS_REC|MS_PRIVATE, NULL)',
      '   4  dup3(<stdout>, 1, 0)',
      '   5  *(int *)(buffer+4) = r0',
      "   6  expect(buffer+0, 1, '/') or EPERM",
      '   7  clone(CLONE_PARENT|CLONE_VFORK|CLONE_FILES|SIGCHLD)',
      '',
    ].join('\n'),
  );
  t.match(
    disassemble(verified, pc => `<${pc}>`),
    /umask\(0\) {2}<2>\n/,
    'with a note behind each',
  );
  t.end();
});
