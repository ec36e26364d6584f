import { UserError } from '../base/errors.ts';

/** An option of a command: with a value, or a switch. `many` may be there more than once. */
export interface OptionSpec {
  readonly long: string;
  readonly short?: string;
  readonly kind: 'switch' | 'value' | 'many';
}

export interface ParsedArguments {
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly rest: readonly string[];
}

/** Options before the first positional argument, `--x v` and `--x=v`; behind that nothing is ours. `-h` asks for help. */
export function parseOptions(argv: readonly string[], specs: readonly OptionSpec[]): ParsedArguments {
  const options = new Map<string, string[]>();
  let i = 0;
  for (; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') {
      i++;
      break;
    }
    if (!word.startsWith('-') || word === '-') break;
    const equals = word.indexOf('=');
    const name = equals === -1 ? word : word.slice(0, equals);
    const spec = specs.find(
      ({ long, short }) => name === `--${long}` || name === `-${long}` || name === `-${short}`,
    );
    if (spec === undefined) throw new UserError(`unknown option ${name}`);
    const value = argumentOf(spec, name, equals === -1 ? undefined : word.slice(equals + 1), argv[i + 1]);
    if (value.isNext) i++;
    const before = spec.kind === 'many' ? (options.get(spec.long) ?? []) : [];
    options.set(spec.long, [...before, value.text]);
  }
  return { options, rest: argv.slice(i) };
}

function argumentOf(
  { kind }: OptionSpec,
  name: string,
  given: string | undefined,
  next: string | undefined,
): { readonly text: string; readonly isNext: boolean } {
  if (kind === 'switch') {
    const text = given ?? 'true';
    if (text !== 'true' && text !== 'false') throw new UserError(`option ${name}: expected true or false`);
    return { text, isNext: false };
  }
  if (given !== undefined) return { text: given, isNext: false };
  if (next === undefined) throw new UserError(`option ${name} needs a value`);
  return { text: next, isNext: true };
}

/** What a command gets. */
export class Arguments {
  readonly #parsed: ParsedArguments;

  constructor(argv: readonly string[], specs: readonly OptionSpec[]) {
    this.#parsed = parseOptions(argv, specs);
  }

  get rest(): readonly string[] {
    return this.#parsed.rest;
  }

  text(name: string): string | undefined {
    return this.#parsed.options.get(name)?.at(-1);
  }

  texts(name: string): readonly string[] {
    return this.#parsed.options.get(name) ?? [];
  }

  flag(name: string): boolean {
    return this.text(name) === 'true';
  }

  /** Decimal digits and nothing else: "1" is a number, "1x" is nobody's (CVE-2026-30892). */
  number(name: string, most: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^-?\d{1,19}$/.test(text) || Number(text) > most || Number(text) < -1)
      throw new UserError(
        `option --${name}: ${JSON.stringify(text.slice(0, 60))} is not a number up to ${most}`,
      );
    return Number(text);
  }

  /** The container's id, and nothing behind it unless `more`. */
  id(more = false): string {
    const [id, ...rest] = this.rest;
    if (id === undefined || id === '') throw new UserError('a container ID is needed');
    if (!more && rest.length > 0) throw new UserError(`unexpected argument ${JSON.stringify(rest[0])}`);
    return id;
  }
}
