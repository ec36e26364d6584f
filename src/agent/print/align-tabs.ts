import width from 'fast-string-width';

const PADDING = 2;

/**
 * Lines with tabs become columns, as Go's text/tabwriter makes them: a cell that a tab ends is as wide as the widest one
 * of the lines around it that have such a cell too; what stands after the last tab is in no column.
 */
export function alignTabs(lines: readonly string[]): string {
  const rows = lines.map(line => line.split('\t'));
  const padded: string[] = rows.map(() => '');
  alignColumn(rows, padded, 0, 0, rows.length);
  return rows.map((cells, i) => `${padded[i]}${cells.at(-1)}\n`).join('');
}

/** Each run of lines that have a column is a block of its own; the columns to its right are made inside of it. */
function alignColumn(
  rows: readonly (readonly string[])[],
  padded: string[],
  column: number,
  from: number,
  to: number,
): void {
  const hasColumn = (row: number): boolean => (rows[row]?.length ?? 0) > column + 1;
  for (let start = from; start < to; start++) {
    if (!hasColumn(start)) continue;
    let end = start;
    while (end < to && hasColumn(end)) end++;
    const cells = rows.slice(start, end).map(row => row[column] ?? '');
    const widest = Math.max(...cells.map(cell => width(cell))) + PADDING;
    for (const [i, cell] of cells.entries()) padded[start + i] += cell + ' '.repeat(widest - width(cell));
    alignColumn(rows, padded, column + 1, start, end);
    start = end;
  }
}
