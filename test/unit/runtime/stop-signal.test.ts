import t from 'tap';
import { signalNumber, stopSignalOf } from '../../../src/runtime/stop-signal.ts';

t.test('signals by name and number', t => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['SIGTERM', 15],
    ['TERM', 15],
    ['9', 9],
    ['SIGUSR1', 10],
    ['SIGCLD', 17],
    ['SIGIOT', 6],
    ['SIGPOLL', 29],
    ['SIGRTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMIN+15', 49],
    ['SIGRTMAX-14', 50],
    ['SIGRTMAX', 64],
    ['SIGRTMIN-1', undefined],
    ['SIGNOPE', undefined],
    ['SIGconstructor', undefined],
  ];
  for (const [word, number] of cases) t.equal(signalNumber(word), number, word);
  t.end();
});

t.test('the container’s own, the image’s, SIGTERM', t => {
  const own = { name: 'c', lifecycle: { stopSignal: 'SIGUSR2' } };
  t.equal(stopSignalOf(own, 'SIGQUIT'), 12);
  t.equal(stopSignalOf({ name: 'c' }, 'SIGQUIT'), 3);
  t.equal(stopSignalOf({ name: 'c' }, 'nonsense'), 15);
  t.equal(stopSignalOf({ name: 'c' }, undefined), 15);
  t.end();
});
