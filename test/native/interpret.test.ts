import t from 'tap';
import type { Arch } from '../../src/linux/arch.ts';
import { ERRNO } from '../../src/linux/constants.generated.ts';
import { CWD, num, ProgramBuilder } from '../../src/program/builder.ts';
import { encode } from '../../src/program/encode.ts';
import { LAYOUT } from '../../src/program/layout.generated.ts';
import { verify } from '../../src/program/verify.ts';
import { buildDriver, needsArm64, runDriver } from './drivers.ts';

type Build = (b: ProgramBuilder) => void;

/** Result of the interpreter: how it ended, and what each instruction gave. */
interface Outcome {
  readonly state: number;
  readonly pc: number;
  readonly error: number;
  readonly results: readonly number[];
}

const { PS_STATE_FINISHED: FINISHED, PS_STATE_FAILED: FAILED, PS_SKIPPED: SKIPPED } = LAYOUT;

function outcome(build: Build, arch: Arch, driver: readonly [string, ...string[]]): Outcome {
  const b = new ProgramBuilder(arch);
  build(b);
  const { status, stdout, stderr } = runDriver(driver, encode(verify(b.build()), { arch }));
  if (status !== 0 || stderr !== '') throw new Error(`${status} ${stderr}`);
  const [head = '', ...results] = stdout.trim().split('\n');
  const [state = -1, pc = -1, error = -1] = head.split(' ').map(Number);
  return { state, pc, error, results: results.map(Number) };
}

const missing: Build = b => void b.call('openat', [CWD, b.text('/nowhere'), b.open('O_RDONLY'), num(0)]);

const TESTS: Readonly<Record<string, readonly [Build, (found: Outcome) => boolean]>> = {
  'results are kept, and a slot is an operand': [
    b => {
      const fd = b.call('openat', [CWD, b.text('/dev/null'), b.open('O_RDONLY', 'O_CLOEXEC'), num(0)]);
      b.call('close', [fd]);
    },
    ({ state, results }) => state === FINISHED && (results[0] ?? -1) > 2 && results[1] === 0,
  ],
  'the first error ends the program': [
    b => {
      missing(b);
      b.call('umask', [num(0)]);
    },
    ({ state, pc, error, results }) =>
      state === FAILED &&
      pc === 0 &&
      error === ERRNO.ENOENT &&
      results[0] === -ERRNO.ENOENT &&
      results[1] === 0,
  ],
  'an ignored error does not, and what needs its slot is skipped': [
    b => {
      const fd = b.call('openat', [CWD, b.text('/nowhere'), b.open('O_RDONLY'), num(0)], {
        ignore: ['EACCES', 'ENOENT'],
      });
      b.call('close', [fd]);
      b.call('umask', [num(0)], { guard: fd });
      b.call('umask', [num(0o22)]);
    },
    ({ state, results }) =>
      state === FINISHED && results[1] === SKIPPED && results[2] === SKIPPED && (results[3] ?? -1) >= 0,
  ],
  'what is skipped skips what needs it': [
    b => {
      const first = b.call('openat', [CWD, b.text('/nowhere'), b.open('O_RDONLY'), num(0)], {
        ignore: ['ENOENT'],
      });
      const second = b.call('fcntl', [first, num(1), num(0)]);
      b.call('close', [second]);
    },
    ({ state, results }) => state === FINISHED && results[1] === SKIPPED && results[2] === SKIPPED,
  ],
  'store writes a slot into data, expect reads it': [
    b => {
      const mask = b.call('umask', [num(0o123)]);
      const again = b.call('umask', [mask]);
      const buffer = b.bytes(new Uint8Array(13), 'buffer');
      b.store(buffer, 9, again);
      b.expect(buffer, 9, 4, num(0o123), num(ERRNO.EPERM));
      b.expect(buffer, 9, 1, num(0o123), num(ERRNO.EPERM));
      b.expect(buffer, 1, 8, num(0o123 << 8), num(ERRNO.EIO));
    },
    ({ state, pc, error }) => state === FAILED && pc === 5 && error === ERRNO.EIO,
  ],
  'pointers inside data are relocated': [
    b => {
      b.call('close_range', [num(100), num(200), num(0)]);
      // The kernel reads argv before it runs the file: a pointer that leads nowhere is EFAULT.
      b.call('execve', [b.text('/dev/null'), b.texts(['null', 'a']), b.texts(['A=b'])]);
    },
    ({ state, pc, error }) => state === FAILED && pc === 1 && error === ERRNO.EACCES,
  ],
  'a number above 32 bits arrives whole, and so does a negative one': [
    b => {
      b.call('write', [num(-1), num(0), num(0)], { ignore: ['EBADF'] });
      b.call('prlimit64', [num(2 ** 40), num(0), num(0), num(0)], { ignore: ['ESRCH'] });
    },
    ({ results }) => results[0] === -ERRNO.EBADF,
  ],
};

t.test('the interpreter, under AddressSanitizer and UBSan', t => {
  const driver = buildDriver('run-block');
  for (const [title, [build, holds]] of Object.entries(TESTS)) {
    const found = outcome(build, process.arch as Arch, driver);
    t.ok(holds(found), title, { found });
  }
  t.end();
});

t.test('the interpreter, built for arm64', { skip: needsArm64 }, t => {
  const driver = buildDriver('run-block', 'arm64');
  for (const [title, [build, holds]] of Object.entries(TESTS)) {
    const found = outcome(build, 'arm64', driver);
    t.ok(holds(found), title, { found });
  }
  t.end();
});
