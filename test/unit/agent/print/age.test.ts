import t from 'tap';
import { age, humanDuration } from '../../../../src/agent/print/age.ts';

/** HumanDuration's own edges, in seconds. */
const AGES: Readonly<Record<number, string>> = {
  '-2': '<invalid>',
  '-1': '0s',
  0: '0s',
  1: '1s',
  119: '119s',
  120: '2m',
  121: '2m1s',
  599: '9m59s',
  600: '10m',
  659: '10m',
  10799: '179m',
  10800: '3h',
  10859: '3h',
  10860: '3h1m',
  28799: '7h59m',
  28800: '8h',
  172799: '47h',
  172800: '2d',
  176400: '2d1h',
  691199: '7d23h',
  691200: '8d',
  63071999: '729d',
  63072000: '2y',
  63158400: '2y1d',
  252287999: '7y364d',
  252288000: '8y',
  315360000: '10y',
};

t.test('AGE', t => {
  for (const [seconds, text] of Object.entries(AGES)) t.equal(humanDuration(Number(seconds)), text, seconds);
  const now = Date.parse('2026-01-01T00:00:10.900Z');
  t.equal(age('2026-01-01T00:00:00Z', now), '10s');
  // Of two clocks, as Go rounds: towards zero.
  t.equal(age('2026-01-01T00:00:12Z', now), '0s');
  t.equal(age('2026-01-01T00:00:12.4Z', now), '0s');
  t.equal(age('2026-01-01T00:00:13Z', now), '<invalid>');
  t.equal(age(undefined, now), '<unknown>');
  t.equal(age('yesterday', now), '<unknown>');
  t.end();
});
