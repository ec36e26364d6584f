export interface Row {
  readonly name: string;
  readonly medianMicroseconds: number;
  readonly fastest: number;
  readonly ratio: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** One line of a table; `base` is the median that it is compared with. */
export function row(name: string, microseconds: readonly number[], base: number): Row {
  const middle = median(microseconds);
  return { name, medianMicroseconds: middle, fastest: Math.min(...microseconds), ratio: middle / base };
}

const milliseconds = (microseconds: number): string => (microseconds / 1000).toFixed(2);

export function table(title: string, base: string, rows: readonly Row[]): string {
  return [
    `### ${title}`,
    '',
    `| | median ms | fastest ms | × ${base} |`,
    '|---|---:|---:|---:|',
    ...rows.map(
      ({ name, medianMicroseconds, fastest, ratio }) =>
        `| ${name} | ${milliseconds(medianMicroseconds)} | ${milliseconds(fastest)} | ${ratio.toFixed(2)} |`,
    ),
    '',
  ].join('\n');
}
