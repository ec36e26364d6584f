import t from 'tap';
import { goDuration, within, withLimit } from '../../../../src/runtime/handlers/limit.ts';
import { LimitedOutput, MAX_OUTPUT } from '../../../../src/runtime/handlers/outcome.ts';
import { resolvePort } from '../../../../src/runtime/handlers/port.ts';

const REACHED = { message: 'the limit was reached' };
const never = new AbortController().signal;
const wait = (milliseconds: number): Promise<string> =>
  new Promise(done => setTimeout(() => done('late'), milliseconds));

t.test('the time is up', async t => {
  const discarded: string[] = [];
  const told = await withLimit(0.02, never, async limit => {
    await t.rejects(
      within(limit, wait(40), value => discarded.push(value)),
      REACHED,
    );
    return limit.isTimeUp;
  });
  t.equal(told, true);
  await wait(60);
  t.same(discarded, ['late'], 'what came of it is thrown away');
});

t.test('nobody wants it any more', async t => {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 10);
  await withLimit(60, controller.signal, async limit => {
    await t.rejects(within(limit, wait(40)), REACHED);
    t.equal(limit.isTimeUp, false);
  });
  await withLimit(undefined, controller.signal, async limit =>
    t.rejects(within(limit, wait(5)), REACHED, 'it was aborted before'),
  );
});

t.test('in time', async t => {
  t.equal(await withLimit(60, never, limit => within(limit, wait(1))), 'late');
  await t.rejects(
    withLimit(60, never, limit => within(limit, Promise.reject(new Error('its own')))),
    /its own/,
  );
});

t.test('durations as Go prints them', t => {
  t.same([0, 1, 59, 60, 90, 3600, 3661].map(goDuration), [
    '0s',
    '1s',
    '59s',
    '1m0s',
    '1m30s',
    '1h0m0s',
    '1h1m1s',
  ]);
  t.end();
});

t.test('the first 10 KiB', t => {
  const output = new LimitedOutput();
  output.push(Buffer.alloc(MAX_OUTPUT - 1, 'a'));
  t.notOk(output.isFull);
  output.push(Buffer.from('bcd'));
  t.ok(output.isFull);
  output.push(Buffer.from('e'));
  t.equal(output.text(), `${'a'.repeat(MAX_OUTPUT - 1)}b`);
  t.end();
});

t.test('ports by number and by name', t => {
  const container = { name: 'c', ports: [{ name: 'web', containerPort: 8080 }] };
  t.equal(resolvePort(80, container), 80);
  t.equal(resolvePort('web', container), 8080);
  t.equal(resolvePort('81', container), 81);
  t.same(resolvePort('api', container), { error: 'strconv.Atoi: parsing "api": invalid syntax' });
  t.same(resolvePort(undefined, container), { error: 'invalid port number: 0' });
  t.same(resolvePort('70000', { name: 'c' }), { error: 'invalid port number: 70000' });
  t.end();
});
