import fc from 'fast-check';
import t from 'tap';
import type { OciDeviceRule } from '../../../src/oci/config.ts';
import { deviceRules, formatDeviceRule } from '../../../src/oci/device-rules.ts';
import { deviceProgram } from '../../../src/program/device-bpf.ts';

interface Wish {
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  readonly access: string;
}

const BITS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const bitsOf = (access: string): number =>
  [...access].reduce((bits, letter) => bits | (BITS[letter] ?? 0), 0);

/** The kernel's part: the few instructions that there are, linux/bpf_common.h. Throws where the verifier would refuse. */
function allows(program: Uint8Array, { type, major, minor, access }: Wish): boolean {
  const view = new DataView(program.buffer);
  const context = [(bitsOf(access) << 16) | (type === 'b' ? 1 : 2), major, minor];
  const registers = new Array<number>(10).fill(Number.NaN);
  const visited = new Set<number>();
  for (let pc = 0; ; pc++) {
    if (pc * 8 >= program.length) throw new Error(`fell off the end at ${pc}`);
    visited.add(pc);
    const code = view.getUint8(pc * 8);
    const [to, from] = [view.getUint8(pc * 8 + 1) & 15, view.getUint8(pc * 8 + 1) >> 4];
    const offset = view.getInt16(pc * 8 + 2, true);
    const immediate = view.getInt32(pc * 8 + 4, true);
    const value = registers[to] ?? Number.NaN;
    if (code === 0x95) return registers[0] === 1;
    if (code === 0x61) registers[to] = context[offset / 4] ?? Number.NaN;
    else if (code === 0x54) registers[to] = value & immediate;
    else if (code === 0x74) registers[to] = value >>> immediate;
    else if (code === 0xb4) registers[to] = immediate;
    else if (code === 0xbc) registers[to] = registers[from] ?? Number.NaN;
    else if (code === 0x56) pc += value !== immediate >>> 0 ? offset : 0;
    else if (code === 0x16) pc += value === immediate >>> 0 ? offset : 0;
    else throw new Error(`unknown instruction 0x${code.toString(16)}`);
  }
}

/** What the words of the runtime-spec mean, one rule after the other. */
function expected(rules: readonly OciDeviceRule[], wish: Wish): boolean {
  let allowed = false;
  for (const { allow, type = 'a', major = wish.major, minor = wish.minor, access = 'rwm' } of rules) {
    if ((type !== 'a' && type !== wish.type) || major !== wish.major || minor !== wish.minor) continue;
    const wanted = [...wish.access];
    if (
      allow ? wanted.every(letter => access.includes(letter)) : wanted.some(letter => access.includes(letter))
    )
      allowed = allow;
  }
  return allowed;
}

const access = fc.constantFrom('r', 'w', 'm', 'rw', 'rm', 'wm', 'rwm');
const number = fc.integer({ min: 0, max: 3 });
const rule: fc.Arbitrary<OciDeviceRule> = fc.record(
  { allow: fc.boolean(), type: fc.constantFrom('a', 'b', 'c'), major: number, minor: number, access },
  { requiredKeys: ['allow'] },
);
const wish: fc.Arbitrary<Wish> = fc.record({
  type: fc.constantFrom('b', 'c'),
  major: number,
  minor: number,
  access,
});

t.test('any list of rules decides as the list read from above does', t => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 8 }), wish, (rules, one) => {
      return allows(deviceProgram(rules), one) === expected(rules, one);
    }),
    { numRuns: 5000 },
  );
  t.pass('5000 lists');
  t.end();
});

t.test('every instruction can be reached: the verifier insists', t => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 8 }), rules => {
      const program = deviceProgram(rules);
      const count = program.length / 8;
      const view = new DataView(program.buffer);
      const reached = new Set<number>();
      const visit = (pc: number): void => {
        if (reached.has(pc)) return;
        reached.add(pc);
        const code = view.getUint8(pc * 8);
        if (code === 0x95) return;
        if (code === 0x56 || code === 0x16) visit(pc + 1 + view.getInt16(pc * 8 + 2, true));
        visit(pc + 1);
      };
      visit(0);
      return reached.size === count && Math.max(...reached) < count;
    }),
    { numRuns: 2000 },
  );
  t.pass('2000 lists');
  t.end();
});

t.test('the default rules', t => {
  const program = deviceProgram(deviceRules(false));
  for (const [type, major, minor, wanted, answer] of [
    ['c', 1, 3, 'rw', true],
    ['c', 1, 5, 'rwm', true],
    ['c', 1, 11, 'r', false],
    ['c', 1, 11, 'm', true],
    ['c', 1, 1, 'rw', false],
    ['b', 8, 0, 'm', true],
    ['b', 8, 0, 'r', false],
    ['b', 1, 3, 'r', false],
    ['c', 136, 77, 'rw', true],
    ['c', 5, 2, 'rw', true],
    ['c', 5, 1, 'rw', false],
    ['c', 10, 200, 'rw', true],
    ['c', 10, 229, 'r', false],
  ] as const)
    t.equal(
      allows(program, { type, major, minor, access: wanted }),
      answer,
      `${type} ${major}:${minor} ${wanted}`,
    );
  t.same(deviceRules(true).map(formatDeviceRule), ['a *:* rwm']);
  t.end();
});
