import type { Roots } from '../oci/pod-paths.ts';

/** What a command may talk to, so that tests can stand in for it. */
export interface Io {
  readonly stdin: number;
  /** Writes text as it is. */
  out(text: string): void;
  /** Writes bytes as they are: the output of others. */
  outBytes(bytes: Uint8Array): void;
  err(text: string): void;
  /** stderr is a terminal. */
  readonly isTerminal: boolean;
  /** stdout and stderr take colours. */
  readonly color: { readonly out: boolean; readonly err: boolean };
  readonly roots: Roots;
  readonly verbose: boolean;
}

/** Arguments of a command after parsing: options by their long name, positionals by theirs, and what follows `--`. */
export interface Args {
  readonly values: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly rest: readonly string[];
}

export function text(args: Args, name: string): string | undefined {
  const value = args.values[name];
  return typeof value === 'string' ? value : undefined;
}

/** The values of an option that can be given several times. */
export function texts(args: Args, name: string): readonly string[] {
  const value = args.values[name];
  return Array.isArray(value) ? value : [];
}

export function flag(args: Args, name: string): boolean {
  return args.values[name] === true;
}

/** The options about seccomp that several commands have. */
export function seccompOptions(args: Args): {
  readonly seccompDefault: boolean;
  readonly seccompProfileRoot: string | undefined;
} {
  return {
    seccompDefault: flag(args, 'seccomp-default'),
    seccompProfileRoot: text(args, 'seccomp-profile-root'),
  };
}

/** The options about pods' networks that several commands have. */
export function networkOptions(args: Args): {
  readonly network: 'pod' | 'none';
  readonly podCidr: string | undefined;
} {
  return { network: text(args, 'network') === 'none' ? 'none' : 'pod', podCidr: text(args, 'pod-cidr') };
}

/** A command: returns its exit code, throws a UserError for what the user can mend. */
export interface Command {
  run(args: Args, io: Io): Promise<number>;
}
