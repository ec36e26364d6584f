/** An entry of a log in the CRI format: `TIME STREAM TAG TEXT`. */
export interface LogEntry {
  /** RFC 3339 with nanoseconds, as it stands there. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** The line goes on in the next entry of the stream. */
  readonly isPartial: boolean;
  readonly text: Buffer;
}

const SPACE = 0x20;

/** Reads an entry, without its newline. Undefined for what is none: a write that a full disk has cut. */
export function parseEntry(line: Buffer): LogEntry | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  const third = line.indexOf(SPACE, second + 1);
  if (first === -1 || second === -1) return undefined;
  // An empty text may come without the space before it.
  const end = third === -1 ? line.length : third;
  const stream = line.toString('latin1', first + 1, second);
  const [tag = ''] = line.toString('latin1', second + 1, end).split(':');
  if ((stream !== 'stdout' && stream !== 'stderr') || (tag !== 'F' && tag !== 'P')) return undefined;
  return {
    time: line.toString('latin1', 0, first),
    stream,
    isPartial: tag === 'P',
    text: third === -1 ? Buffer.alloc(0) : line.subarray(third + 1),
  };
}
