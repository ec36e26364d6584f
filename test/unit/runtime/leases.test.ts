import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Cidr } from '../../../src/base/addresses.ts';
import { parsePodCidr } from '../../../src/network/pod-cidr.ts';
import { Cleanup } from '../../../src/runtime/cleanup.ts';
import { leaseAddresses, sweepLeases } from '../../../src/runtime/leases.ts';

const parent = mkdtempSync(join(tmpdir(), 'podspace-test-'));
t.teardown(() => rmSync(parent, { recursive: true }));

let serial = 0;
/** Each test has a directory of its own: what was used recently is remembered. */
const newDirectory = (): string => join(parent, `${serial++}/network/leases`);

function cidrs(text: string): readonly Cidr[] {
  const parsed = parsePodCidr(text);
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed;
}
const SIXTEEN = cidrs('10.244.0.0/16');

t.test('the lowest that is free, and never the same', async t => {
  const directory = newDirectory();
  const cleanup = new Cleanup();
  const leased = Array.from({ length: 300 }, () => leaseAddresses(SIXTEEN, '/run/x', cleanup, directory)[0]);
  t.equal(new Set(leased).size, 300);
  t.strictSame(
    [leased[0], leased[254], leased[255], leased[299]],
    ['10.244.0.1', '10.244.0.255', '10.244.1.0', '10.244.1.44'],
  );
  t.equal(readFileSync(join(directory, '10.244.0.7'), 'utf8'), '/run/x');
  await cleanup.run();
  t.notOk(existsSync(join(directory, '../..')), 'no empty directory is left');
});

t.test('one of each family', async t => {
  const directory = newDirectory();
  const cleanup = new Cleanup();
  const both = cidrs('10.0.0.0/24,fd00::/64');
  t.strictSame(leaseAddresses(both, '', cleanup, directory), ['10.0.0.1', 'fd00::1']);
  t.strictSame(leaseAddresses(both, '', cleanup, directory), ['10.0.0.2', 'fd00::2']);
  t.strictSame(leaseAddresses(cidrs('fd00::/64'), '', cleanup, directory), ['fd00::3'], 'whatever the range');
  await cleanup.run();
});

t.test('an address rests before it is given out again, while there are others', async t => {
  const directory = newDirectory();
  const all = new Cleanup();
  const pool = cidrs('10.0.0.0/29');
  const take = (cleanup: Cleanup): string | undefined => leaseAddresses(pool, '', cleanup, directory)[0];
  take(all);
  for (const expected of [2, 3, 4, 5, 6, 2, 3, 4]) {
    const one = new Cleanup();
    t.equal(take(one), `10.0.0.${expected}`);
    await one.run();
  }
  await all.run();
  t.notOk(existsSync(directory));
  const again = new Cleanup();
  t.equal(take(again), '10.0.0.5', 'also when nothing is left on disk');
  await again.run();
});

t.test('a range that is used up', async t => {
  const directory = newDirectory();
  const cleanup = new Cleanup();
  const pool = cidrs('10.0.0.0/30');
  for (const expected of ['10.0.0.1', '10.0.0.2'])
    t.strictSame(leaseAddresses(pool, '', cleanup, directory), [expected]);
  t.throws(() => leaseAddresses(pool, '', cleanup, directory), {
    message: 'no IP addresses available in range set: 10.0.0.1-10.0.0.2',
  });
  await cleanup.run();
  t.notOk(existsSync(directory));
});

t.test('the first of two ranges is given back when the second is used up', async t => {
  const directory = newDirectory();
  const [held, failed] = [new Cleanup(), new Cleanup()];
  leaseAddresses(cidrs('fd00::/128'), '', held, directory);
  t.throws(() => leaseAddresses(cidrs('10.0.0.0/24,fd00::/128'), '', failed, directory), {
    message: 'no IP addresses available in range set: fd00::-fd00::',
  });
  await failed.run();
  t.strictSame(
    readdirSync(directory).filter(name => !name.startsWith('.')),
    ['fd00::'],
  );
  await held.run();
});

t.test('what a killed command has left is taken last, and swept', async t => {
  const directory = newDirectory();
  const cleanup = new Cleanup();
  const pool = cidrs('10.0.0.0/30');
  leaseAddresses(pool, '', cleanup, directory);
  writeFileSync(join(directory, '10.0.0.2'), 'of one that was killed');
  t.strictSame(leaseAddresses(pool, 'mine', cleanup, directory), ['10.0.0.2']);
  t.equal(readFileSync(join(directory, '10.0.0.2'), 'utf8'), 'mine');
  t.throws(() => leaseAddresses(pool, '', cleanup, directory));
  writeFileSync(join(directory, '10.0.0.77'), '');
  sweepLeases({ directory });
  t.strictSame(
    readdirSync(directory)
      .filter(name => !name.startsWith('.'))
      .sort(),
    ['10.0.0.1', '10.0.0.2'],
  );
  await cleanup.run();
  t.notOk(existsSync(directory));
  t.doesNotThrow(() => sweepLeases({ directory }));
});
