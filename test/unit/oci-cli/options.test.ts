import t from 'tap';
import { settingsOf } from '../../../src/oci-cli/cgroup-settings.ts';
import { parseUser } from '../../../src/oci-cli/exec.ts';
import { Arguments, parseOptions } from '../../../src/oci-cli/options.ts';
import { signalNumber } from '../../../src/oci-cli/signals.ts';
import { directoryOf } from '../../../src/oci-cli/state.ts';

const SPECS = [
  { long: 'root', kind: 'value' },
  { long: 'env', short: 'e', kind: 'many' },
  { long: 'force', short: 'f', kind: 'switch' },
] as const;

t.test('options in both forms, up to the first positional', async t => {
  const parsed = parseOptions(['--root', '/a', '-e', 'A=1', '--env=B=2', '-f', 'id', '--root', '/b'], SPECS);
  t.same(Object.fromEntries(parsed.options), { root: ['/a'], env: ['A=1', 'B=2'], force: ['true'] });
  t.same(parsed.rest, ['id', '--root', '/b']);
  t.same(parseOptions(['--', '-f'], SPECS).rest, ['-f']);
  t.throws(() => parseOptions(['--x'], SPECS), { message: 'unknown option --x' });
  t.throws(() => parseOptions(['--root'], SPECS), { message: 'option --root needs a value' });
  t.throws(() => parseOptions(['--force=maybe'], SPECS), {
    message: 'option --force: expected true or false',
  });
  t.throws(() => new Arguments(['a', 'b'], SPECS).id(), { message: 'unexpected argument "b"' });
});

t.test('an id is a plain name', async t => {
  for (const id of ['a', '_a', '+x', 'A.b-c_d', '0', 'x'.repeat(255)])
    t.equal(directoryOf('/r', id), `/r/${id}`);
  for (const id of ['', '.', '..', '.a', 'a/b', '../a', 'a b', 'a\n', 'é', 'x'.repeat(256), 'a\0'])
    t.throws(() => directoryOf('/r', id), /^invalid container ID/, id);
});

t.test('users of exec are decimal digits (CVE-2026-30892)', async t => {
  t.same(parseUser('1'), { uid: 1 });
  t.same(parseUser('4294967294:5'), { uid: 4294967294, gid: 5 });
  for (const text of ['', '1x', 'root', '-1', ' 1', '1:', ':1', '0x1', '1e3', '4294967295', '99999999999'])
    t.throws(() => parseUser(text), { name: 'UserError' }, text);
});

t.test('signals by number and name', async t => {
  for (const [text, number] of [
    ['TERM', 15],
    ['SIGTERM', 15],
    ['sigkill', 9],
    ['9', 9],
    ['RTMIN+1', 35],
    ['SIGRTMAX', 64],
    ['0', 0],
  ] as const)
    t.equal(signalNumber(text), number, text);
  for (const text of ['', 'FOO', '65', '-9', '9x', 'RTMIN+99', 'constructor'])
    t.throws(() => signalNumber(text), /unknown signal/, text);
});

t.test('resources on both versions of cgroups', async t => {
  const resources = {
    memory: { limit: 1 << 26, swap: -1 },
    cpu: { shares: 1024, quota: 50_000, period: 100_000 },
    pids: { limit: -1 },
    blockIO: { throttle: [{ kind: 'ReadBps', device: '8:0', rate: 1000 }] },
  } as const;
  const lines = (version: 1 | 2): readonly string[] =>
    settingsOf(version, resources).map(({ file, value }) => `${file} ${value}`);
  t.same(lines(1), [
    'cpu.shares 1024',
    'cpu.cfs_period_us 100000',
    'cpu.cfs_quota_us 50000',
    'memory.limit_in_bytes 67108864',
    'memory.memsw.limit_in_bytes -1',
    'pids.max max',
    'blkio.throttle.read_bps_device 8:0 1000',
  ]);
  t.same(lines(2), [
    'cpu.weight 100',
    'cpu.max 50000 100000',
    'memory.max 67108864',
    'memory.swap.max max',
    'pids.max max',
    'io.max 8:0 rbps=1000',
  ]);
  t.equal(settingsOf(1, { memory: { limit: 2 ** 63 - 4096 } })[0]?.value, '9223372036854771712');
});
