import t from 'tap';
import { CLOSE_RANGE, ERRNO } from '../../src/linux/constants.generated.ts';
import { flags, num, ProgramBuilder } from '../../src/program/builder.ts';
import { encode } from '../../src/program/encode.ts';
import { LAYOUT, PS_INSTRUCTION, PS_PROGRAM, PS_RELOCATION } from '../../src/program/layout.generated.ts';
import { verify } from '../../src/program/verify.ts';
import { stagesOf } from '../cases/stages.ts';
import { buildDriver, needsArm64, runDriver } from './drivers.ts';

const parameters = Object.fromEntries(
  ['stdin', 'stdout', 'stderr', 'console', 'shim', 'pidfd', 'devices', 'userns', 'procfs'].map((name, i) => [
    name,
    i + 10,
  ]),
);
t.setTimeout(900_000);
const ROUNDS = process.env.FUZZ_ROUNDS ?? '30000';

/** A small program with a bit of everything: what each rule is broken in. */
function sample(): Uint8Array {
  const b = new ProgramBuilder('x64');
  const first = b.call('umask', [num(0)]);
  const buffer = b.bytes(new Uint8Array(16), 'buffer');
  b.store(buffer, 0, first);
  b.expect(buffer, 4, 4, num(0), num(ERRNO.EPERM));
  b.call('close_range', [num(3), num(4), flags(CLOSE_RANGE)]);
  b.call('execve', [b.text('/bin/true'), b.texts(['true', 'x']), b.texts([])], { ignore: ['ENOENT'] });
  return encode(verify(b.build()), { arch: 'x64' });
}

const field = (name: keyof typeof PS_PROGRAM): number => PS_PROGRAM[name];
const [STORE, EXPECT] = [1, 2];

/** Byte offset of a part of an instruction. */
const at = (block: Uint8Array, pc: number, part: keyof typeof PS_INSTRUCTION, index = 0): number => {
  const start = new DataView(block.buffer).getUint32(field('instruction_offset'), true);
  const width = part === 'operand' ? 8 : part === 'ignore' ? 2 : 1;
  return start + pc * PS_INSTRUCTION.SIZE + PS_INSTRUCTION[part] + index * width;
};

type Break = (view: DataView, block: Uint8Array) => void;
const header =
  (name: keyof typeof PS_PROGRAM, value: number): Break =>
  view =>
    view.setUint32(field(name), value, true);
const part =
  (pc: number, name: keyof typeof PS_INSTRUCTION, value: number, index = 0): Break =>
  (view, block) =>
    view.setUint8(at(block, pc, name, index), value);
const operand =
  (pc: number, index: number, value: bigint): Break =>
  (view, block) =>
    view.setBigUint64(at(block, pc, 'operand', index), value, true);
const relocation =
  (name: keyof typeof PS_RELOCATION, value: number): Break =>
  view =>
    view.setUint32(view.getUint32(field('relocation_offset'), true) + PS_RELOCATION[name], value, true);

const RULES: Readonly<Record<string, Break>> = {
  magic: header('magic', 1),
  version: header('version', 2),
  'size larger than the block': header('size', 1 << 20),
  'size smaller than the block': header('size', 48),
  'unknown flag': header('flags', 2),
  'padding of the header': view => view.setUint32(PS_PROGRAM.SIZE - 4, 1, true),
  'too many instructions': header('instruction_count', LAYOUT.PS_MAX_INSTRUCTIONS + 1),
  'instructions beyond the end': header('instruction_count', 1000),
  'instruction offset not aligned': header('instruction_offset', 49),
  'instructions in the header': header('instruction_offset', 0),
  'relocations in the header': header('relocation_offset', 8),
  'relocation offset not aligned': header('relocation_offset', 52),
  'relocations beyond the end': header('relocation_count', 1 << 30),
  'data offset not aligned': header('data_offset', 50),
  'data in the header': header('data_offset', 0),
  'data over the instructions': header('data_offset', 48),
  'data beyond the end': header('data_size', 1 << 20),
  'unknown op': part(0, 'op', 4),
  'unknown kind': part(0, 'kind', 3),
  'padding of an instruction': (view, block) => view.setUint8(at(block, 0, 'op') + 7, 1),
  'errno out of range': (view, block) => view.setUint16(at(block, 0, 'ignore'), 4096, true),
  'slot of itself': (view, block) => {
    part(0, 'kind', LAYOUT.PS_KIND_SLOT)(view, block);
    operand(0, 0, 0n)(view, block);
  },
  'slot of a later instruction': operand(STORE, 1, 4n),
  'operand outside of the data': (view, block) => {
    part(0, 'kind', LAYOUT.PS_KIND_DATA)(view, block);
    operand(0, 0, 1n << 40n)(view, block);
  },
  'store to an address': part(STORE, 'kind', LAYOUT.PS_KIND_IMM),
  'store over the end': (view, block) =>
    operand(STORE, 0, BigInt(view.getUint32(field('data_size'), true) - 3))(view, block),
  'expect of three bytes': operand(EXPECT, 1, 3n),
  'expect of a width from a slot': part(EXPECT, 'kind', LAYOUT.PS_KIND_SLOT, 1),
  'expect of a value from data': part(EXPECT, 'kind', LAYOUT.PS_KIND_DATA, 2),
  'expect with errno 0': operand(EXPECT, 3, 0n),
  'expect with errno 4096': operand(EXPECT, 3, 4096n),
  'expect over the end': (view, block) =>
    operand(EXPECT, 0, BigInt(view.getUint32(field('data_size'), true) - 1))(view, block),
  'relocation not aligned': relocation('at', 4),
  'relocation outside': relocation('at', 1 << 16),
  'relocation to outside': relocation('target', 1 << 16),
};

t.test('ps_check refuses each broken rule by itself', t => {
  const run = buildDriver('run-block');
  for (const [rule, destroy] of Object.entries(RULES)) {
    const block = sample();
    destroy(new DataView(block.buffer), block);
    const { status, stdout, stderr } = runDriver(run, block);
    t.strictSame([status, stdout, stderr], [0, 'refused\n', ''], rule);
  }
  t.strictSame(runDriver(run, new Uint8Array(0)).stdout, 'refused\n', 'an empty block');
  t.strictSame(runDriver(run, sample().subarray(0, 100)).stdout, 'refused\n', 'a cut block');
  t.end();
});

t.test('mutants of real programs never make ps_check read outside, nor accept what leads outside', t => {
  const driver = buildDriver('check-fuzz');
  for (const [i, name] of ['default', 'shared-pid', 'volumes'].entries()) {
    const { programs } = stagesOf(`test/cases/${name}`, 'x64');
    for (const [k, program] of programs.entries()) {
      const block = encode(verify(program), { arch: 'x64', parameters });
      const rounds = String(Math.ceil(Number(ROUNDS) / programs.length));
      const { status, stdout, stderr } = runDriver(driver, block, rounds, String(i * 100 + k + 1));
      t.strictSame([status, stderr], [0, ''], `${name} ${k}: ${stdout.trim()}`);
      const [, accepted = 0, refused = 0] = /^(\d+) accepted, (\d+) refused/.exec(stdout) ?? [];
      t.ok(Number(accepted) > 0 && Number(refused) > 0, 'some are accepted, some refused');
    }
  }
  t.end();
});

t.test('the same on arm64', { skip: needsArm64 }, t => {
  const driver = buildDriver('check-fuzz', 'arm64');
  const { programs } = stagesOf('test/cases/default', 'arm64');
  for (const program of programs) {
    const block = encode(verify(program), { arch: 'arm64', parameters });
    const { status, stdout, stderr } = runDriver(driver, block, '500', '7');
    t.strictSame([status, stderr], [0, ''], stdout.trim());
  }
  t.end();
});
