import yargs, { type Argv, type FallbackCompletionFunction, type Options } from 'yargs';
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS, type Option } from './commands.ts';

const COMPLETION = 'print a completion script for bash or zsh';

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
    .completion('completion', COMPLETION, completeWord)
    .help()
    .alias('help', 'h');
}

/** yargs would offer each one-letter name as a long option too (`--f`), which there is not. */
const completeWord: FallbackCompletionFunction = (_word, _argv, complete, done) =>
  complete((_error, found = []) => done(found.filter(word => !/^--\w$/.test(word))));

const REST = { none: [], optional: ['[-- CMD ARG…]'], required: ['-- CMD ARG…'] };

function addCommand(parser: Argv, name: string, spec: CommandSpec): void {
  const positionals = spec.positionals.map(({ name, required, variadic }) => {
    const word = `${name}${variadic === true ? '..' : ''}`;
    return required ? `<${word}>` : `[${word}]`;
  });
  const usage = ['podspace', name, '[options]', ...positionals, ...REST[spec.takesRest ?? 'none']];
  parser.command(
    [name, ...positionals].join(' '),
    spec.describe,
    command => {
      command.usage(`${usage.join(' ')}\n\n${spec.describe}`);
      for (const positional of spec.positionals)
        command.positional(positional.name, {
          type: 'string',
          describe: positional.describe,
          ...choicesOf(positional),
        });
      for (const [option, row] of Object.entries(spec.options)) command.option(option, toYargs(row));
      for (const [example, what] of spec.examples) command.example(example, what);
      return command;
    },
    () => undefined,
  );
}

function toYargs({ choices, type, ...option }: Option): Options {
  const kind = type === 'strings' ? ({ type: 'string', array: true } as const) : { type };
  return { ...option, ...kind, ...choicesOf({ choices }) };
}

/** yargs wants an array of its own. */
function choicesOf({ choices }: { readonly choices?: readonly string[] | undefined }): {
  choices?: string[];
} {
  return choices === undefined ? {} : { choices: [...choices] };
}

/** The help text of podspace, or of one command. */
export async function helpText(command: string | undefined): Promise<string> {
  if (command === 'completion')
    return `podspace completion [bash|zsh]\n\n${COMPLETION}\n\nExamples:\n  source <(podspace completion)\n`;
  let captured = '';
  const words = command === undefined ? ['--help'] : [command, '--help'];
  await build(words).parseAsync(words, {}, (_error, _argv, output) => {
    captured = output;
  });
  return `${captured}\n`;
}

/** Shell completion: the script, or the answers that the script asks for. */
export async function complete(argv: readonly string[]): Promise<void> {
  const shell = argv[argv.indexOf('completion') + 1];
  // yargs asks the environment; kubectl's users name the shell.
  if (shell === 'bash' || shell === 'zsh') Object.assign(process.env, { SHELL: shell, ZSH_NAME: '' });
  await build(argv).parseAsync();
}
