import { appendFileSync } from 'node:fs';

interface Log {
  file: string | undefined;
  format: 'text' | 'json';
}

const log: Log = { file: undefined, format: 'text' };

/** --log and --log-format. */
export function logTo(file: string | undefined, format: Log['format']): void {
  log.file = file;
  log.format = format;
}

/** containerd reads the time as Go's RFC 3339, and shows the last error of the file. */
function line(level: 'error' | 'warning', message: string): string {
  const time = new Date().toISOString();
  return log.format === 'json'
    ? `${JSON.stringify({ level, msg: message, time })}\n`
    : `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(message)}\n`;
}

function write(level: 'error' | 'warning', message: string): void {
  process.stderr.write(`${level === 'error' ? '' : 'warning: '}${message}\n`);
  if (log.file === undefined) return;
  try {
    appendFileSync(log.file, line(level, message), { mode: 0o600 });
  } catch {
    // stderr has it
  }
}

export const warn = (message: string): void => write('warning', message);
export const complain = (message: string): void => write('error', message);
