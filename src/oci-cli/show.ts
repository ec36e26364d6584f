import { execFileSync } from 'node:child_process';
import { UserError } from '../base/errors.ts';
import { processesIn } from './cgroup.ts';
import { allRecords, readRecord, shownState, statusOf } from './state.ts';

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

export function stateText(root: string, id: string): string {
  const record = readRecord(root, id);
  return json(shownState(record, statusOf(root, record)));
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map(row => row[i]?.length ?? 0)));
  return rows
    .map(
      row =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

export function listText(root: string, format: string, isQuiet: boolean): string {
  const records = allRecords(root);
  if (isQuiet) return records.map(({ id }) => `${id}\n`).join('');
  const states = records.map(record => ({ record, status: statusOf(root, record) }));
  if (format === 'json')
    return `${JSON.stringify(states.map(({ record, status }) => shownState(record, status)))}\n`;
  if (format !== 'table')
    throw new UserError(`option --format: ${JSON.stringify(format)} is neither table nor json`);
  return table([
    ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'],
    ...states.map(({ record, status }) => [
      record.id,
      String(status === 'stopped' ? 0 : (record.init?.pid ?? 0)),
      status,
      record.bundle,
      record.created,
      'root',
    ]),
  ]);
}

/** The container's processes, by its cgroup; as a table they are ps(1)'s, with its options. */
export function psText(root: string, id: string, format: string, options: readonly string[]): string {
  const pids = readRecord(root, id).cgroup.directories.slice(0, 1).flatMap(processesIn);
  if (format === 'json') return `${JSON.stringify(pids)}\n`;
  if (format !== 'table')
    throw new UserError(`option --format: ${JSON.stringify(format)} is neither table nor json`);
  const lines = execFileSync('ps', options.length === 0 ? ['-ef'] : [...options], { encoding: 'utf8' }).split(
    '\n',
  );
  const [head = '', ...rows] = lines;
  const column = head.trim().split(/\s+/).indexOf('PID');
  if (column === -1) throw new UserError('ps prints no PID column');
  const own = rows.filter(row => pids.includes(Number(row.trim().split(/\s+/)[column])));
  return `${[head, ...own].join('\n')}\n`;
}
