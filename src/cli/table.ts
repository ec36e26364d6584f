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

/** A table that is printed as its rows come: a column never becomes narrower. */
export class GrowingTable {
  readonly #print: (text: string) => void;
  readonly #widths: number[] = [];
  #hasHeader: boolean;

  constructor(print: (text: string) => void, hasHeader: boolean) {
    this.#print = print;
    this.#hasHeader = hasHeader;
  }

  /** Prints rows below those before; the header, which is the first, once. */
  print([header = [], ...rows]: readonly (readonly string[])[]): void {
    const shown = this.#hasHeader ? [header, ...rows] : rows;
    this.#hasHeader = false;
    for (const row of shown)
      for (const [i, cell] of row.entries()) this.#widths[i] = Math.max(this.#widths[i] ?? 0, width(cell));
    for (const row of shown) {
      const cells = row.map((cell, i) =>
        i === row.length - 1 ? cell : cell + ' '.repeat((this.#widths[i] ?? 0) - width(cell) + 3),
      );
      this.#print(`${cells.join('').trimEnd()}\n`);
    }
  }
}
