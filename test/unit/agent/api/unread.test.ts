import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import t from 'tap';
import { Unread } from '../../../../src/agent/api/unread.ts';

const MIB = 1 << 20;

/** A response whose client reads when it is told to. */
class Slow extends EventEmitter {
  writableLength = 0;
  writableEnded = false;
  destroyed = false;

  write(text: string): void {
    this.writableLength += text.length;
  }

  end(): void {
    this.writableEnded = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }

  read(): void {
    this.writableLength = 0;
    this.emit('drain');
  }
}

function start() {
  const response = new Slow();
  let dropped = 0;
  const unread = new Unread(response as unknown as ServerResponse, () => dropped++);
  return { response, unread, dropped: () => dropped };
}

t.test('one that leaves too much is dropped, however it began', t => {
  const { response, unread, dropped } = start();
  unread.write('x'.repeat(20 * MIB));
  unread.begun();
  unread.write('x'.repeat(3 * MIB));
  t.notOk(response.destroyed);
  unread.write('x'.repeat(2 * MIB));
  t.ok(response.destroyed);
  t.equal(dropped(), 1);
  unread.write('more');
  t.equal(dropped(), 1);
  const other = start();
  other.unread.write('x'.repeat(20 * MIB));
  other.unread.begun();
  other.response.read();
  other.unread.write('x'.repeat(5 * MIB));
  t.ok(other.response.destroyed, 'what it began with has been read');
  t.end();
});

t.test('where all leave too much, those that began earlier go first', t => {
  const all = Array.from({ length: 20 }, start);
  for (const { unread } of all) unread.begun();
  for (const { unread } of all) unread.write('x'.repeat(3 * MIB));
  t.equal(all.filter(({ response }) => response.destroyed).length, 0);
  const last = start();
  last.unread.write('x'.repeat(10 * MIB));
  last.unread.begun();
  t.ok(all[0]?.response.destroyed);
  t.notOk(last.response.destroyed, 'it has just begun');
  for (const { response } of [...all, last]) response.destroy();
  const next = start();
  next.unread.begun();
  next.unread.write('x'.repeat(3 * MIB));
  t.notOk(next.response.destroyed, 'who has gone does not count');
  next.unread.end();
  t.ok(next.response.writableEnded);
  next.response.destroy();
  t.end();
});
