/** What makes processes: the part that brings the compiler and calls the kernel. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { configOf } from './prepare.ts';
import { type RunOptions, run } from './run.ts';

export { create } from './create.ts';
export { exec } from './exec.ts';

/** `run`, which must know of the terminal before the config is read in earnest. */
export function runIn(options: RunOptions): Promise<number> {
  return run(options, hasTerminal(options));
}

function hasTerminal({ bundle, configFile }: RunOptions): boolean {
  try {
    const config: unknown = JSON.parse(readFileSync(configFile ?? configOf(resolve(bundle)), 'utf8'));
    return (config as { process?: { terminal?: boolean } }).process?.terminal === true;
  } catch {
    // create() says what is wrong with it
    return false;
  }
}
