import { dirname, join } from 'node:path';

/** The program of which this bundle is a part. */
export const podspacePath = (): string => join(dirname(__filename), 'podspace.js');
