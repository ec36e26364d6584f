import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Of the package that this bundle belongs to. */
export function version(): string {
  return (
    JSON.parse(readFileSync(join(dirname(__filename), '../package.json'), 'utf8')) as { version: string }
  ).version;
}
