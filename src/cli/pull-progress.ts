import type { LayerProgress, LayerState, PullProgress } from '../image/pull-progress.ts';
import type { Io } from './io.ts';
import { formatSize } from './used-images.ts';

/** Milliseconds between two pictures, if no layer has changed its state. */
const EVERY = 100;
/** What a terminal has that does not say how large it is. */
const SIZE = { columns: 80, rows: 24 };
const DIGITS = 12;

interface Screen {
  readonly columns: number;
  readonly rows: number;
}

const DONE: ReadonlySet<LayerState> = new Set(['unpacked', 'already here']);

const amount = ({ state, received, size }: LayerProgress): string =>
  `${state === 'downloading' ? `${formatSize(received)} of ` : ''}${formatSize(size)}`;

/** The lines of a picture: the image, and its layers. Where they are too many, those that are done go first. */
export function pullLines(
  image: string,
  { layers }: PullProgress,
  { columns, rows }: Screen,
): readonly string[] {
  const done = layers.filter(({ state }) => DONE.has(state)).length;
  const room = Math.max(rows - 2, 1);
  const shown =
    layers.length <= room ? layers : layers.filter(({ state }) => !DONE.has(state)).slice(0, room);
  const lines = shown.map(layer => {
    const name = layer.digest.slice(layer.digest.indexOf(':') + 1, layer.digest.indexOf(':') + 1 + DIGITS);
    return `  ${name}  ${layer.state.padEnd('already here'.length)}  ${amount(layer)}`;
  });
  // A line that is broken would be two when the next picture goes over it.
  return [`pulling ${image}: ${done} of ${layers.length} layers`, ...lines].map(line =>
    line.slice(0, columns - 1),
  );
}

/** On a terminal, a line for each layer that says how far it is; they go away at the end. */
export function showPull(io: Io, image: string): { onProgress(progress: PullProgress): void; end(): void } {
  let height = 0;
  let states = '';
  let next = 0;
  const back = (): string => (height === 0 ? '' : `\u001b[${height}A`);
  return {
    onProgress: progress => {
      if (!io.isTerminal) return;
      const now = progress.layers.map(({ state }) => state).join();
      if (now === states && Date.now() < next) return;
      states = now;
      next = Date.now() + EVERY;
      const { columns = SIZE.columns, rows = SIZE.rows } = process.stderr;
      const lines = pullLines(image, progress, { columns: columns || SIZE.columns, rows: rows || SIZE.rows });
      io.err(`${back()}\r\u001b[J${lines.map(line => `${line}\n`).join('')}`);
      height = lines.length;
    },
    end: () => {
      if (height > 0) io.err(`${back()}\r\u001b[J`);
      height = 0;
    },
  };
}
