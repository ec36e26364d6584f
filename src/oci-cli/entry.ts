import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { main } from './main.ts';
import './started-with.ts';

/** Of the package that this bundle belongs to. */
function version(): string {
  const file = join(dirname(__filename), '../package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

// The launcher writes the code cache after the command has ended, so the exit code is handed over, not acted on here.
export const done: Promise<number> = main(process.argv.slice(2), version());
