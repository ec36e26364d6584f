import fc from 'fast-check';
import t from 'tap';
import { syscallNumber } from '../../../src/linux/arch.ts';
import { ERRNO } from '../../../src/linux/constants.generated.ts';
import { CWD, flags, named, num, parameter } from '../../../src/program/builder.ts';
import { decode, Report } from '../../../src/program/decode.ts';
import { encode, reportSize } from '../../../src/program/encode.ts';
import { LAYOUT } from '../../../src/program/layout.generated.ts';
import { verify } from '../../../src/program/verify.ts';
import { build, call, imm, program } from './programs.ts';

const { PS_KIND_IMM: IMM, PS_KIND_DATA: DATA, PS_KIND_SLOT: SLOT } = LAYOUT;
const unused = { kind: IMM, value: 0n };

t.test('what is encoded is what is decoded', t => {
  const verified = build(b => {
    const fd = b.call('openat', [CWD, b.text('/dev/null'), b.open('O_RDONLY'), num(0)], {
      ignore: ['ENOENT', 'EACCES'],
    });
    b.call('close', [fd], { guard: fd });
    b.call('dup3', [parameter('stdout'), num(1), named(-1, '-1')]);
    const buffer = b.bytes(new Uint8Array(12), 'buffer');
    b.store(buffer, 8, fd);
    b.expect(buffer, 4, 4, num(7), num(ERRNO.EIO));
    b.clone();
  });
  const { instructions, flags: headerFlags } = decode(
    encode(verified, { arch: 'x64', parameters: { stdout: 42 }, timestamps: true }),
  );
  t.equal(headerFlags, LAYOUT.PS_FLAG_TIMESTAMPS);
  t.strictSame(instructions[0], {
    nr: syscallNumber('x64', 'openat'),
    op: LAYOUT.PS_OP_SYSCALL,
    operands: [
      { kind: IMM, value: BigInt.asUintN(64, -100n) },
      { kind: DATA, value: 0n },
      unused,
      unused,
      unused,
      unused,
    ],
    ignore: [ERRNO.ENOENT, ERRNO.EACCES, 0, 0],
  });
  t.strictSame(
    instructions[1]?.operands.slice(0, 2),
    [
      { kind: SLOT, value: 0n },
      { kind: SLOT, value: 0n },
    ],
    'a guard is a further operand',
  );
  t.strictSame(instructions[2]?.operands.slice(0, 3), [
    { kind: IMM, value: 42n },
    { kind: IMM, value: 1n },
    { kind: IMM, value: 2n ** 64n - 1n },
  ]);
  t.strictSame(
    instructions.map(({ op }) => op),
    [0, 0, 0, LAYOUT.PS_OP_STORE, LAYOUT.PS_OP_EXPECT, LAYOUT.PS_OP_CLONE],
  );
  t.throws(() => encode(verified, { arch: 'x64' }), /parameter "stdout" is not bound/);
  t.end();
});

t.test('any safe integer is two’s complement in 64 bits', t => {
  const isKept = fc.property(fc.maxSafeInteger(), value => {
    const block = encode(verify(program([call([imm(value)])])), { arch: 'arm64' });
    return decode(block).instructions[0]?.operands[0]?.value === BigInt.asUintN(64, BigInt(value));
  });
  t.strictSame(fc.check(isKept).counterexample, null);
  t.end();
});

t.test('argv is a table of pointers to texts, ended by NULL; equal texts are one', t => {
  const verified = build(b => {
    b.call('close_range', [num(3), num(4), flags({})]);
    b.call('execve', [b.text('/bin/sh'), b.texts(['sh', '-c', 'sh', 'ä']), b.texts([])]);
  });
  const { data, relocations } = decode(encode(verified, { arch: 'x64' }));
  const text = (at: number): string => new TextDecoder().decode(data.subarray(at, data.indexOf(0, at)));
  t.strictSame(
    relocations.map(({ target }) => text(target)),
    ['sh', '-c', 'sh', 'ä'],
  );
  const [first = { at: 0 }] = relocations;
  t.strictSame(
    relocations.map(({ at }) => (at - first.at) / 8),
    [0, 1, 2, 3],
  );
  t.equal(relocations[0]?.target, relocations[2]?.target);
  t.strictSame(data.slice(first.at + 32, first.at + 40), new Uint8Array(8), 'NULL');
  t.end();
});

t.test('a report that nobody has written says so', t => {
  const verified = build(b => void b.call('umask', [num(0)]));
  const report = new Report(new Uint8Array(reportSize(verified)));
  t.strictSame([report.state, report.pc, report.errno, report.length, report.result(0)], ['new', 0, 0, 1, 0]);
  t.end();
});
