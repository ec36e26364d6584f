import yargs, { type Argv, type Options } from 'yargs';
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, type Option } from './commands.ts';

/** yargs with every command of the table: only for what the plain parser does not do. */
function build(argv: readonly string[]): Argv {
  const parser = yargs([...argv])
    .scriptName('podspace')
    .usage('podspace COMMAND\n\nruns an ordinary Kubernetes Pod on plain Linux')
    .strict()
    .version(false)
    .wrap(100);
  for (const [name, option] of Object.entries(GLOBAL_OPTIONS))
    parser.option(name, { ...toYargs(option), global: true });
  for (const [name, spec] of Object.entries(COMMANDS)) addCommand(parser, name, spec);
  return parser
    .option('version', { type: 'boolean', describe: 'Show version number' })
    .completion('completion', 'print a completion script for bash or zsh')
    .help();
}

function addCommand(parser: Argv, name: string, spec: CommandSpec): void {
  const positionals = spec.positionals.map(positional =>
    positional.required ? `<${positional.name}>` : `[${positional.name}]`,
  );
  parser.command(
    [name, ...positionals].join(' '),
    spec.describe,
    command => {
      for (const { name: positional, describe } of spec.positionals)
        command.positional(positional, { type: 'string', describe });
      for (const [option, row] of Object.entries(spec.options)) command.option(option, toYargs(row));
      for (const [example, what] of spec.examples) command.example(example, what);
      return command;
    },
    () => undefined,
  );
}

function toYargs(option: Option): Options {
  const { placeholder: _placeholder, choices, ...rest } = option;
  return { ...rest, ...(choices === undefined ? {} : { choices: [...choices] }) };
}

/** The help text of podspace, or of one command. */
export async function helpText(command: string | undefined): Promise<string> {
  let captured = '';
  const words = command === undefined ? ['--help'] : [command, '--help'];
  await build(words).parseAsync(words, {}, (_error, _argv, output) => {
    captured = output;
  });
  return `${captured}\n`;
}

/** Shell completion: the script, or the answers that the script asks for. */
export async function complete(argv: readonly string[]): Promise<void> {
  await build(argv).parseAsync();
}
