import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Cleanup } from '../../../src/runtime/cleanup.ts';
import { allocateRange, reservedRanges, sweepRanges } from '../../../src/runtime/id-ranges.ts';
import { newUid } from '../../../src/runtime/uid.ts';

const parent = mkdtempSync(join(tmpdir(), 'podspace-test-'));
const directory = join(parent, 'a/ids');
t.teardown(() => rmSync(parent, { recursive: true }));

t.test('ranges are whole, in the part of the ids that nobody else gives out, and never the same', async t => {
  const cleanup = new Cleanup();
  // The same uid asks for the same place first.
  const uid = newUid();
  const bases = Array.from({ length: 50 }, (_, i) =>
    allocateRange(i % 2 ? uid : newUid(), cleanup, directory),
  );
  t.equal(new Set(bases).size, 50);
  for (const base of bases) t.ok(base % 65536 === 0 && base >= 0x70000000 && base < 0x7fff0000, String(base));
  t.equal(readFileSync(join(directory, String(bases[1])), 'utf8'), uid);
  t.same(readdirSync(directory).map(Number).sort(), [...bases].sort());
  await cleanup.run();
  t.notOk(existsSync(directory));
});

t.test('what a killed command has left is free again, what a living one has is not', async t => {
  const cleanup = new Cleanup();
  const live = allocateRange(newUid(), cleanup, directory);
  writeFileSync(join(directory, '1879048192'), '');
  sweepRanges(directory);
  t.same(readdirSync(directory), [String(live)]);
  await cleanup.run();
  t.notOk(existsSync(directory));
  t.doesNotThrow(() => sweepRanges(directory));
});

t.test('ids of subuid(5) and subgid(5) are left to whom they were given', t => {
  const file = join(parent, 'subuid');
  writeFileSync(file, 'alice:1879048192:65536\nbob:1879179264:70000\n\nbad\ncarol:x:1\n');
  t.same(reservedRanges([file, join(parent, 'none')]), [
    [0x7000, 0x7000],
    [0x7002, 0x7003],
  ]);
  t.end();
});
