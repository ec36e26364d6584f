import parser from 'yargs-parser';
import { UserError } from '../base/errors.ts';
import { closest } from '../kube/suggest.ts';
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, type Option } from './commands.ts';
import type { Args } from './io.ts';

export type Parsed =
  | { readonly kind: 'help'; readonly command: string | undefined }
  | { readonly kind: 'version' }
  | { readonly kind: 'completion' }
  | { readonly kind: 'command'; readonly name: string; readonly spec: CommandSpec; readonly args: Args };

/** The hot path: a plain parse by the command table. Help and completion are yargs' business, which is loaded only then. */
export function parseArguments(argv: readonly string[]): Parsed {
  const end = argv.indexOf('--');
  const before = end === -1 ? argv : argv.slice(0, end);
  const rest = end === -1 ? [] : argv.slice(end + 1);
  const name = commandName(before);
  if (before.includes('--version') && name === undefined) return { kind: 'version' };
  if (name === 'completion' || before.includes('--get-yargs-completions')) return { kind: 'completion' };
  if (name === undefined || name === 'help' || before.includes('--help') || before.includes('-h'))
    return { kind: 'help', command: name === 'help' ? before[before.indexOf('help') + 1] : name };
  const spec = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (spec === undefined)
    throw unknown('command', name, Object.keys(COMMANDS), 'podspace --help lists the commands');
  return { kind: 'command', name, spec, args: parseCommand(name, spec, before, rest) };
}

/** The first word that is no option nor the value of a global one. */
function commandName(words: readonly string[]): string | undefined {
  return words.find((word, i) => !word.startsWith('-') && words[i - 1] !== '--root');
}

function parseCommand(
  name: string,
  spec: CommandSpec,
  words: readonly string[],
  rest: readonly string[],
): Args {
  const options: Readonly<Record<string, Option>> = { ...GLOBAL_OPTIONS, ...spec.options };
  const names = Object.keys(options);
  const ofType = (type: Option['type']): string[] => names.filter(option => options[option]?.type === type);
  const parsed = parser.detailed([...words], {
    string: ofType('string'),
    boolean: ofType('boolean'),
    alias: Object.fromEntries(
      names.flatMap(option =>
        options[option]?.alias === undefined ? [] : [[option, [options[option].alias]]],
      ),
    ),
    configuration: {
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'duplicate-arguments-array': false,
      'strip-aliased': true,
      'boolean-negation': true,
      'greedy-arrays': false,
    },
  });
  if (parsed.error !== null) throw new UserError(parsed.error.message, { hint: `podspace ${name} --help` });
  const { _: positionals, ...values } = parsed.argv as { _: (string | number)[] } & Record<
    string,
    string | boolean
  >;
  for (const [option, value] of Object.entries(values)) checkOption(name, option, value, options);
  if (rest.length > 0 && spec.takesRest !== true)
    throw new UserError(`podspace ${name} takes no command after "--"`, { hint: `podspace ${name} --help` });
  return {
    values: {
      ...defaults(options),
      ...values,
      ...namePositionals(name, spec, positionals.slice(1).map(String)),
    },
    rest,
  };
}

function defaults(options: Readonly<Record<string, Option>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, option]) =>
      option.default === undefined ? [] : [[name, option.default]],
    ),
  );
}

function checkOption(
  command: string,
  name: string,
  value: unknown,
  options: Readonly<Record<string, Option>>,
): void {
  const option = options[name];
  const hint = `podspace ${command} --help`;
  if (option === undefined)
    throw unknown(
      'option',
      name.length === 1 ? `-${name}` : `--${name}`,
      Object.keys(options).map(known => `--${known}`),
      hint,
    );
  if (option.type === 'string' && (value === '' || value === undefined))
    throw new UserError(`option --${name} needs a value`, { hint });
  if (Array.isArray(value)) throw new UserError(`option --${name} is given more than once`, { hint });
  if (option.choices !== undefined && !option.choices.includes(String(value))) {
    throw new UserError(
      `option --${name}: "${String(value)}" is not one of ${option.choices.map(choice => `"${choice}"`).join(', ')}`,
      { hint },
    );
  }
}

function namePositionals(
  command: string,
  spec: CommandSpec,
  words: readonly string[],
): Record<string, string> {
  if (words.length > spec.positionals.length) {
    const extra = words[spec.positionals.length] ?? '';
    const hint =
      spec.takesRest === true
        ? `a command goes after "--": podspace ${command} … -- ${words.slice(spec.positionals.length).join(' ')}`
        : `podspace ${command} --help`;
    throw new UserError(`unexpected argument "${extra}"`, { hint });
  }
  const missing = spec.positionals.find(({ required }, i) => required && words[i] === undefined);
  if (missing !== undefined)
    throw new UserError(`podspace ${command} needs ${missing.name.toUpperCase()}: ${missing.describe}`, {
      hint: `podspace ${command} --help`,
    });
  return Object.fromEntries(words.map((word, i) => [spec.positionals[i]?.name ?? '', word]));
}

function unknown(what: string, name: string, known: readonly string[], otherwise: string): UserError {
  const near = closest(name, known);
  return new UserError(`unknown ${what} "${name}"`, {
    hint: near === undefined ? otherwise : `did you mean "${near.name}"?`,
  });
}
