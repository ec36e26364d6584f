import type { Args, Io } from './io.ts';
export async function run(_args: Args, _io: Io): Promise<number> {
  return 1;
}
