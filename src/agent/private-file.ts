import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode, fileFailure, UserError } from '../base/errors.ts';

/** Reads a file of the agent's; undefined if there is none. */
export function readPrivate(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (errnoCode(cause) === 'ENOENT') return undefined;
    throw new UserError(`cannot read "${path}": ${fileFailure(cause)}`, { cause });
  }
}

/** Writes a file that only root can read, as a whole. */
export function writePrivate(path: string, text: string): void {
  const temporary = `${path}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, text, { mode: 0o600, flush: true } as Parameters<typeof writeFileSync>[2]);
    renameSync(temporary, path);
  } catch (cause) {
    throw new UserError(`cannot write "${path}": ${fileFailure(cause)}`, { cause });
  }
}
