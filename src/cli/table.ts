import width from 'fast-string-width';

/** Aligned columns, three spaces apart as kubectl prints them. `paint` colours a cell without changing its width. */
export function formatTable(
  rows: readonly (readonly string[])[],
  paint: (cell: string, row: number, column: number) => string = cell => cell,
): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, width(cell));
  const lines = rows.map((row, r) =>
    row
      .map((cell, c) => {
        const padding = c === row.length - 1 ? '' : ' '.repeat((widths[c] ?? 0) - width(cell) + 3);
        return paint(cell, r, c) + padding;
      })
      .join('')
      .trimEnd(),
  );
  return lines.map(line => `${line}\n`).join('');
}
