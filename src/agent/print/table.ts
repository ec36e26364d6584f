import { CONFIG_ROWS } from './config-rows.ts';
import { EVENT_ROW } from './event-row.ts';
import { NETWORK_ROWS } from './network-rows.ts';
import { NODE_ROW } from './node-row.ts';
import { POD_ROW } from './pod-row.ts';
import { POLICY_ROWS } from './policy-rows.ts';
import type { Cell, Column, Named, RowPrinter } from './row.ts';

/** What the API server prints of each kind (pkg/printers/internalversion). */
const ROWS: Readonly<Record<string, RowPrinter>> = {
  Pod: POD_ROW,
  ...CONFIG_ROWS,
  ...NETWORK_ROWS,
  ...POLICY_ROWS,
  Event: EVENT_ROW,
  Node: NODE_ROW,
};

/** Columns and rows of a `Table` of meta.k8s.io/v1. */
export interface Table<T> {
  readonly columns: readonly Column[];
  readonly rows: readonly { readonly cells: readonly Cell[]; readonly object: T }[];
}

/** The kinds that have a table. */
export const PRINTED_KINDS: readonly string[] = Object.keys(ROWS);

/** Objects of one kind as `kubectl get` shows them, at the time `now` (milliseconds). */
export function tableOf<T extends Named>(kind: string, objects: readonly T[], now: number): Table<T> {
  const printer = Object.hasOwn(ROWS, kind) ? ROWS[kind] : undefined;
  if (printer === undefined) throw new Error(`bug in podspace: no columns for ${kind}`);
  return {
    columns: printer.columns,
    rows: objects.map(object => ({ cells: printer.cells(object as never, now), object })),
  };
}
