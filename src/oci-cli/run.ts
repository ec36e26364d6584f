import { waitForExit } from '../runtime/child-exits.ts';
import { type CreateOptions, create } from './create.ts';
import { forwardSignals } from './foreground.ts';
import { clear } from './kill.ts';
import { start } from './start.ts';
import { readRecord } from './state.ts';
import { attachTerminal } from './terminal.ts';

export interface RunOptions extends CreateOptions {
  /** The terminal of a foreground run is ours. */
  readonly isKept: boolean;
}

/** `run`: create and start, and in the foreground wait and delete. Returns the exit code. */
export async function run(options: RunOptions, hasTerminal: boolean): Promise<number> {
  const terminal = hasTerminal && !options.isDetached ? attachTerminal() : undefined;
  const child = await create({ ...options, ...(terminal === undefined ? {} : { console: terminal.socket }) });
  if (options.isDetached) {
    await start(options.root, options.id);
    return 0;
  }
  forwardSignals(child.pidfd);
  const record = readRecord(options.root, options.id);
  const exit = waitForExit(child.pidfd);
  const shown = terminal?.show();
  try {
    await start(options.root, options.id);
  } catch (error) {
    await exit;
    await clear(options.root, record);
    throw error;
  }
  const { exitCode } = await exit;
  await shown;
  terminal?.restore();
  if (!options.isKept) await clear(options.root, record);
  return exitCode;
}
