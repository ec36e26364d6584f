import type { Command } from './io.ts';
import type { Option, Positional } from './options.ts';

export interface CommandSpec {
  readonly describe: string;
  readonly positionals: readonly Positional[];
  readonly options: Readonly<Record<string, Option>>;
  /** Takes a command line after `--`. */
  readonly takesRest?: 'optional' | 'required';
  readonly examples: readonly (readonly [command: string, what: string])[];
  readonly load: () => Promise<Command>;
}
