import t from 'tap';
import type { Program } from '../../../src/program/program.ts';
import { verify } from '../../../src/program/verify.ts';
import { call, imm, program } from './programs.ts';

const data = [{ bytes: new Uint8Array(16), pointers: [] }];
const at = (item: number, offset: number) => ({ kind: 'data', item, offset, text: 'd' }) as const;
const slot = (pc: number) => ({ kind: 'slot', pc }) as const;
const exec = call([imm(0)], { name: 'execve' });
const close = call([imm(3)], { name: 'close_range' });

const BROKEN: Readonly<Record<string, Program>> = {
  'too many operands': program([call([1, 2, 3, 4, 5, 6, 7].map(imm))]),
  'too many operands with the guard': program([
    call([]),
    call([1, 2, 3, 4, 5, 6].map(imm), { guard: slot(0) }),
  ]),
  'too many ignored errnos': program([call([], { ignore: ['EPERM', 'ENOENT', 'EIO', 'EBADF', 'EACCES'] })]),
  'a system call without a name': program([call([], { name: undefined })]),
  'a name on what is no system call': program([call([], { op: 'clone' })]),
  'its own slot': program([call([slot(0)])]),
  'a later slot': program([call([slot(1)]), call([])]),
  'a guard that is later': program([call([], { guard: slot(1) }), call([])]),
  'half a number': program([call([imm(0.5)])]),
  'a number that a double cannot hold': program([call([imm(2 ** 53)])]),
  'data that is not there': program([call([at(1, 0)])], data),
  'an offset behind the data': program([call([at(0, 16)])], data),
  'a pointer to data that is not there': program(
    [],
    [{ bytes: new Uint8Array(8), pointers: [{ at: 0, item: 1 }] }],
  ),
  'a pointer that is not aligned': program(
    [],
    [{ bytes: new Uint8Array(16), pointers: [{ at: 4, item: 0 }] }],
  ),
  'a pointer over the end': program([], [{ bytes: new Uint8Array(8), pointers: [{ at: 8, item: 0 }] }]),
  'execve with fds of the host open': program([exec]),
  'a call after execve': program([close, exec, call([])]),
  'too long a program': program(Array.from({ length: 16385 }, () => call([]))),
};

t.test('a program that breaks a rule is a bug of the compiler', t => {
  for (const [rule, broken] of Object.entries(BROKEN))
    t.throws(() => verify(broken), /^bug in podspace: /, rule);
  t.end();
});

t.test('one that keeps them all is the same program', t => {
  const good = program(
    [call([imm(0)]), call([slot(0), at(0, 15)], { guard: slot(0) }), close, exec, exec],
    data,
  );
  t.equal(verify(good), good);
  t.end();
});
