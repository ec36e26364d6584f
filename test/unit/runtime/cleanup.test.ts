import t from 'tap';
import { Cleanup } from '../../../src/runtime/cleanup.ts';
import { onAbort } from '../../../src/runtime/on-abort.ts';

t.test(
  'undoing runs backwards, all of it, also what is registered meanwhile; the first failure is thrown',
  async t => {
    const cleanup = new Cleanup();
    const done: string[] = [];
    cleanup.add('first', () => void done.push('first'));
    cleanup.add('broken', () => {
      throw new Error('no');
    });
    cleanup.add('waits', async () => {
      await Promise.resolve();
      cleanup.add('late', () => void done.push('late'));
      done.push('waits');
    });
    await t.rejects(cleanup.run(), /^cleaning up broken: no$/);
    t.strictSame(done, ['waits', 'late', 'first']);
    await cleanup.run();
    t.strictSame(done.length, 3, 'nothing is undone twice');
  },
);

t.test('one listener for all that share a signal', t => {
  const stop = new AbortController();
  const heard: number[] = [];
  const ignore = Array.from({ length: 20 }, (_, i) => onAbort(stop.signal, () => heard.push(i)));
  ignore[3]?.();
  stop.abort();
  stop.abort();
  t.strictSame(
    heard,
    Array.from({ length: 20 }, (_, i) => i).filter(i => i !== 3),
  );
  onAbort(stop.signal, () => heard.push(99));
  t.equal(heard.at(-1), 99, 'at once when it is too late');
  onAbort(undefined, () => heard.push(100))();
  t.equal(heard.at(-1), 99);
  t.end();
});
