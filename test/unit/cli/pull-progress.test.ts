import t from 'tap';
import type { Io } from '../../../src/cli/io.ts';
import { pullLines, showPull } from '../../../src/cli/pull-progress.ts';
import type { LayerProgress, LayerState } from '../../../src/image/pull-progress.ts';

const layer = (digit: number, state: LayerState, received = 0): LayerProgress => ({
  digest: `sha256:${digit.toString(16).padStart(2, '0').repeat(32)}`,
  size: 3_000_000,
  received,
  state,
});
const screen = { columns: 80, rows: 24 };

t.test('a line for each layer', t => {
  const layers = [layer(1, 'already here'), layer(2, 'downloading', 1_500_000), layer(3, 'waiting')];
  t.same(pullLines('app', { layers }, screen), [
    'pulling app: 1 of 3 layers',
    '  010101010101  already here  3.0 MB',
    '  020202020202  downloading   1.5 MB of 3.0 MB',
    '  030303030303  waiting       3.0 MB',
  ]);
  t.end();
});

t.test('no more lines than the terminal has, and none that it would break', t => {
  const layers = Array.from({ length: 127 }, (_, i) => layer(i, i < 100 ? 'unpacked' : 'waiting'));
  const lines = pullLines('a'.repeat(200), { layers }, { columns: 40, rows: 10 });
  t.equal(lines.length, 9);
  t.match(lines[1], /^ {2}646464646464 {2}waiting/, 'those that are done are left out');
  t.ok(lines.every(({ length }) => length < 40));
  t.equal(pullLines('a', { layers }, { columns: 40, rows: 1 }).length, 2);
  t.end();
});

t.test('each picture goes over the last one, and nothing stays', t => {
  let written = '';
  const io = { isTerminal: true, err: (text: string) => (written += text) } as unknown as Io;
  const shown = showPull(io, 'app');
  shown.onProgress({ layers: [layer(1, 'waiting')] });
  shown.onProgress({ layers: [layer(1, 'unpacked')] });
  shown.end();
  t.equal(
    written,
    '\r\u001b[Jpulling app: 0 of 1 layers\n  010101010101  waiting       3.0 MB\n' +
      '\u001b[2A\r\u001b[Jpulling app: 1 of 1 layers\n  010101010101  unpacked      3.0 MB\n' +
      '\u001b[2A\r\u001b[J',
  );
  written = '';
  const silent = showPull({ ...io, isTerminal: false }, 'app');
  silent.onProgress({ layers: [layer(1, 'waiting')] });
  silent.end();
  t.equal(written, '', 'nothing where there is no terminal');
  t.end();
});
