import { parseArgs } from 'node:util';
import { UserError } from '../base/errors.ts';
import { closest } from '../kube/suggest.ts';
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, type Option } from './commands.ts';
import type { Args } from './io.ts';

export type Parsed =
  | { readonly kind: 'help'; readonly command: string | undefined }
  | { readonly kind: 'version' }
  | { readonly kind: 'completion' }
  | { readonly kind: 'command'; readonly name: string; readonly spec: CommandSpec; readonly args: Args };

type Options = Readonly<Record<string, Option>>;
type Token = NonNullable<ReturnType<typeof parseArgs>['tokens']>[number];
type OptionToken = Extract<Token, { kind: 'option' }>;

/**
 * The hot path: a plain parse by the command table. Help and completion are yargs' business, which is loaded only then.
 */
export function parseArguments(argv: readonly string[]): Parsed {
  const end = argv.indexOf('--');
  const before = end === -1 ? argv : argv.slice(0, end);
  const rest = end === -1 ? [] : argv.slice(end + 1);
  const name = commandName(before);
  if (before.includes('--get-yargs-completions')) return { kind: 'completion' };
  if (before.includes('--version')) return { kind: 'version' };
  const isHelp = before.includes('--help') || before.includes('-h');
  if (name === 'help' || (name !== undefined && isHelp)) {
    const command = name === 'help' ? commandName(before.slice(before.indexOf('help') + 1)) : name;
    if (command !== undefined && command !== 'completion') specOf(command);
    return { kind: 'help', command };
  }
  if (name === 'completion') return { kind: 'completion' };
  if (name === undefined) {
    if (!isHelp) parseCommand('', NO_COMMAND, ['', ...before], rest);
    return { kind: 'help', command: undefined };
  }
  const spec = specOf(name);
  return { kind: 'command', name, spec, args: parseCommand(name, spec, before, rest) };
}

const NO_COMMAND = { positionals: [], options: {} };

function specOf(name: string): CommandSpec {
  const spec = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (spec === undefined)
    throw unknown(`command "${name}"`, name, Object.keys(COMMANDS), 'podspace --help lists the commands');
  return spec;
}

/** The first word that is no option nor the value of a global one. */
function commandName(words: readonly string[]): string | undefined {
  return words.find((word, i) => !word.startsWith('-') && words[i - 1] !== '--root');
}

function parseCommand(
  name: string,
  spec: Pick<CommandSpec, 'positionals' | 'options' | 'takesRest'>,
  words: readonly string[],
  rest: readonly string[],
): Args {
  const options: Options = { ...GLOBAL_OPTIONS, ...spec.options };
  const hint = helpHint(name);
  // Not strict: the checks are ours, so that each message names what was written and what to do.
  const { tokens = [] } = parseArgs({
    args: [...words],
    options: Object.fromEntries(
      Object.entries(options).map(([option, { type, alias }]) => [
        option,
        { type: type === 'strings' ? 'string' : type, ...(alias === undefined ? {} : { short: alias }) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    allowNegative: true,
    tokens: true,
  });
  const values: Record<string, string | boolean | readonly string[]> = defaults(options);
  const given = new Set<string>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      // The first one is the command's name.
      if (positionals.length > spec.positionals.length && spec.positionals.at(-1)?.variadic !== true)
        throw new UserError(`unexpected argument "${token.value}"`, {
          hint:
            spec.takesRest !== undefined
              ? `a command goes after "--": podspace ${words.slice(0, token.index).join(' ')} -- ${words.slice(token.index).join(' ')}`
              : hint,
        });
      positionals.push(token.value);
    } else if (token.kind === 'option') {
      const value = readOption(token, words, options, hint);
      if (options[token.name]?.type === 'strings') {
        values[token.name] = [...stringsOf(values[token.name]), String(value)];
        continue;
      }
      if (given.has(token.name) && typeof value === 'string')
        throw new UserError(`option --${token.name} is given more than once`, { hint });
      given.add(token.name);
      values[token.name] = value;
    }
  }
  if (rest.length > 0 && spec.takesRest === undefined)
    throw new UserError(`${`podspace ${name}`.trim()} takes no command after "--"`, { hint });
  return { values: { ...values, ...namePositionals(name, spec, positionals.slice(1)) }, rest };
}

const stringsOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value : []);

const helpHint = (name: string): string => (name === '' ? 'podspace --help' : `podspace ${name} --help`);

function defaults(options: Options): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, option]) =>
      option.default === undefined ? [] : [[name, option.default]],
    ),
  );
}

/** The value of one option as it was written, checked. */
function readOption(
  { name, rawName, index, inlineValue, value: written }: OptionToken,
  words: readonly string[],
  options: Options,
  hint: string,
): string | boolean {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  const isNegative = rawName.startsWith('--no-');
  if (option === undefined || (isNegative && option.type !== 'boolean')) {
    const word = words[index] ?? rawName;
    const isInGroup = !rawName.startsWith('--') && word !== rawName;
    const known = Object.keys(options).map(each => `--${each}`);
    throw unknown(`option "${rawName}"${isInGroup ? ` in "${word}"` : ''}`, rawName, known, hint);
  }
  if (option.type === 'boolean') {
    if (written === undefined) return !isNegative;
    if (!isNegative && (written === 'true' || written === 'false')) return written === 'true';
    throw new UserError(`option ${rawName}: "${written}" is neither "true" nor "false"`, { hint });
  }
  // `-c=web` is `-c web`, as with kubectl.
  const value = inlineValue === true && !rawName.startsWith('--') ? written?.replace(/^=/, '') : written;
  if (
    value === undefined ||
    (value === '' && option.canBeEmpty !== true) ||
    (inlineValue === false && /^-./.test(value))
  )
    throw new UserError(`option --${name} needs a value`, { hint });
  if (option.choices !== undefined && !option.choices.includes(value)) {
    const choices = option.choices.map(choice => `"${choice}"`).join(', ');
    throw new UserError(`option --${name}: "${value}" is not one of ${choices}`, { hint });
  }
  return value;
}

function namePositionals(
  command: string,
  spec: Pick<CommandSpec, 'positionals'>,
  words: readonly string[],
): Record<string, string | readonly string[]> {
  const missing = spec.positionals.find(({ required }, i) => required && words[i] === undefined);
  if (missing !== undefined)
    throw new UserError(`podspace ${command} needs ${missing.name.toUpperCase()}: ${missing.describe}`, {
      hint: helpHint(command),
    });
  return Object.fromEntries(
    spec.positionals.flatMap(({ name, variadic }, i) => {
      const value = variadic === true ? words.slice(i) : words[i];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function unknown(what: string, name: string, known: readonly string[], otherwise: string): UserError {
  const near = closest(name, known);
  return new UserError(`unknown ${what}`, {
    hint: near === undefined ? otherwise : `did you mean "${near.name}"?`,
  });
}
