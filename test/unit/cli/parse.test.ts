import t from 'tap';
import { UserError } from '../../../src/base/errors.ts';
import { COMMANDS, GLOBAL_OPTIONS, type Option } from '../../../src/cli/commands.ts';
import { type Parsed, parseArguments } from '../../../src/cli/parse.ts';

/** The arguments of a command line, as options and what follows `--`. */
function argsOf(line: string): Extract<Parsed, { kind: 'command' }>['args'] {
  const parsed = parseArguments(line.split(' '));
  if (parsed.kind !== 'command') throw new Error(`no command: ${JSON.stringify(parsed)}`);
  return parsed.args;
}

/** What is wrong with a command line: the message and what to do. */
function mistakeOf(words: readonly string[]): readonly [message: string, hint: string | undefined] {
  try {
    return [`accepted: ${JSON.stringify(parseArguments(words))}`, undefined];
  } catch (error) {
    if (error instanceof UserError) return [error.message, error.hint];
    throw error;
  }
}

const commands = Object.entries(COMMANDS).map(([name, spec]) => ({
  name,
  spec,
  /** The least that it takes, as words. */
  least: [name, ...spec.positionals.filter(({ required }) => required).map(({ name }) => `a-${name}`)],
  options: Object.entries<Option>({ ...GLOBAL_OPTIONS, ...spec.options }),
}));

/** A value that the option takes. */
const someValue = ({ choices }: Option): string => choices?.[0] ?? 'value';

const readAs = (row: Option): unknown => {
  if (row.type === 'boolean') return true;
  return row.type === 'strings' ? [someValue(row)] : someValue(row);
};

t.test('every option of every command, in each spelling and on each side of the command', t => {
  for (const { name, least, options } of commands) {
    for (const [option, row] of options) {
      const letter = row.alias === undefined ? [] : [`-${row.alias}`];
      const spellings: readonly (readonly string[])[] =
        row.type === 'boolean'
          ? [[`--${option}`], [`--${option}=true`], letter]
          : [
              [`--${option}`, someValue(row)],
              [`--${option}=${someValue(row)}`],
              ...letter.flatMap(each => [
                [each, someValue(row)],
                [`${each}${someValue(row)}`],
                [`${each}=${someValue(row)}`],
              ]),
            ];
      for (const words of spellings.filter(({ length }) => length > 0)) {
        const parsed = parseArguments([...least, ...words]);
        t.match(parsed, { kind: 'command', name }, words.join(' '));
        if (parsed.kind === 'command') t.strictSame(parsed.args.values[option], readAs(row), words.join(' '));
      }
    }
  }
  t.strictSame(argsOf('run --as-group a pod.yaml --as-group=b').values['as-group'], ['a', 'b']);
  t.equal(argsOf('--root /x run pod.yaml').values.root, '/x');
  t.equal(argsOf('-v --no-color run pod.yaml').values.color, false);
  t.equal(argsOf('--root run run pod.yaml').values.file, 'pod.yaml', 'a value that is the name of a command');
  t.end();
});

t.test('what each option does not take', t => {
  for (const { least, options } of commands) {
    for (const [option, row] of options) {
      const wrong: readonly (readonly [word: string, message: string])[] =
        row.type === 'boolean'
          ? [[`--${option}=perhaps`, `option --${option}: "perhaps" is neither "true" nor "false"`]]
          : [
              [`--${option}`, `option --${option} needs a value`],
              ...(row.canBeEmpty === true
                ? []
                : [[`--${option}=`, `option --${option} needs a value`] as const]),
              [`--no-${option}`, `unknown option "--no-${option}"`],
              ...(row.choices === undefined
                ? []
                : [[`--${option}=zz`, `option --${option}: "zz" is not one of `] as const]),
            ];
      for (const [word, message] of wrong) {
        const [said, hint] = mistakeOf([...least, word]);
        t.ok(said.startsWith(message), `${least.join(' ')} ${word}: ${said}`);
        t.ok(hint, 'says what to do');
      }
    }
  }
  t.end();
});

t.test('an option that is given twice', t => {
  const twice = ['run', 'a.yaml', '-c', 'one', '--container=two'];
  t.same(mistakeOf(twice), ['option --container is given more than once', 'podspace run --help']);
  t.equal(argsOf('run a.yaml -v -v').values.verbose, true);
  t.equal(argsOf('run a.yaml -t --no-tty').values.tty, false, 'the last of two switches counts');
  t.end();
});

t.test('one-letter options together', t => {
  for (const group of ['-it', '-ti'])
    t.match(argsOf(`run ${group} a.yaml`).values, { stdin: true, tty: true, file: 'a.yaml' }, group);
  t.match(argsOf('run -itc web a.yaml').values, { stdin: true, tty: true, container: 'web' });
  t.match(argsOf('run -itcweb a.yaml').values, { stdin: true, tty: true, container: 'web' });
  t.match(argsOf('compile -fa.yaml -c=w=b').values, { filename: 'a.yaml', container: 'w=b' });
  t.end();
});

t.test('words stay words', t => {
  t.match(argsOf('run 007 -c 0x10').values, { file: '007', container: '0x10' });
  t.match(argsOf('run - -f -').values, { file: '-', filename: '-' });
  t.match(argsOf('image import localhost/a.b -').values, {
    action: 'import',
    name: 'localhost/a.b',
    source: '-',
  });
  t.same(argsOf('compile a.yaml --emit oci').values, {
    file: 'a.yaml',
    emit: 'oci',
    network: 'pod',
    'pod-cidr': '10.244.0.0/16',
    validate: 'strict',
  });
  t.end();
});

t.test('everything after the first -- is the command, untouched', t => {
  t.same(argsOf('exec web -it -- ls -la -- --help --root /x').rest, [
    'ls',
    '-la',
    '--',
    '--help',
    '--root',
    '/x',
  ]);
  t.same(argsOf('run a.yaml --').rest, []);
  t.same(parseArguments(['run', 'a', '--', '']), {
    ...parseArguments(['run', 'a']),
    args: { ...argsOf('run a'), rest: [''] },
  });
  for (const { name, spec, least } of commands) {
    if (spec.takesRest !== undefined) continue;
    t.same(mistakeOf([...least, '--', 'ls']), [
      `podspace ${name} takes no command after "--"`,
      `podspace ${name} --help`,
    ]);
  }
  t.end();
});

t.test('unknown words, with what was probably meant', t => {
  const cases: readonly (readonly [line: string, message: string, hint: string])[] = [
    ['runn a.yaml', 'unknown command "runn"', 'did you mean "run"?'],
    ['frobnicate', 'unknown command "frobnicate"', 'podspace --help lists the commands'],
    ['constructor', 'unknown command "constructor"', 'podspace --help lists the commands'],
    ['frobnicate --help', 'unknown command "frobnicate"', 'podspace --help lists the commands'],
    ['help inspct', 'unknown command "inspct"', 'did you mean "inspect"?'],
    ['--hlep', 'unknown option "--hlep"', 'podspace --help'],
    ['-- run a.yaml', 'podspace takes no command after "--"', 'podspace --help'],
    ['run a.yaml --containr web', 'unknown option "--containr"', 'did you mean "--container"?'],
    ['run a.yaml --namespace x', 'unknown option "--namespace"', 'podspace run --help'],
    ['run a.yaml --Stdin', 'unknown option "--Stdin"', 'did you mean "--stdin"?'],
    ['run a.yaml -itx', 'unknown option "-x" in "-itx"', 'podspace run --help'],
    ['run a.yaml -x', 'unknown option "-x"', 'podspace run --help'],
    ['run a.yaml -t=true', 'unknown option "-=" in "-t=true"', 'podspace run --help'],
    ['run a.yaml --constructor', 'unknown option "--constructor"', 'podspace run --help'],
    ['run a.yaml --__proto__ x', 'unknown option "--__proto__"', 'podspace run --help'],
    ['run a.yaml --_ x', 'unknown option "--_"', 'podspace run --help'],
    ['gc --dryRun', 'unknown option "--dryRun"', 'did you mean "--dry-run"?'],
    ['gc --emit=oci', 'unknown option "--emit"', 'podspace gc --help'],
    ['gc now', 'unexpected argument "now"', 'podspace gc --help'],
    ['image import a b c', 'unexpected argument "c"', 'podspace image --help'],
    ['exec web ls -la', 'unexpected argument "ls"', 'a command goes after "--": podspace exec web -- ls -la'],
    [
      'run -it a.yaml sh',
      'unexpected argument "sh"',
      'a command goes after "--": podspace run -it a.yaml -- sh',
    ],
    ['run a.yaml -c -t', 'option --container needs a value', 'podspace run --help'],
  ];
  for (const [line, message, hint] of cases) t.same(mistakeOf(line.split(' ')), [message, hint], line);
  t.end();
});

t.test('what must be there', t => {
  for (const { name, spec } of commands) {
    const first = spec.positionals.find(({ required }) => required);
    if (first === undefined) t.doesNotThrow(() => parseArguments([name]), name);
    else t.match(mistakeOf([name])[0], `podspace ${name} needs ${first.name.toUpperCase()}: `);
  }
  t.end();
});

t.test('help, version and completion, wherever they stand before --', t => {
  const help = (command?: string): object => ({ kind: 'help', command });
  const cases: Readonly<Record<string, object>> = {
    '--help': help(),
    '-h': help(),
    help: help(),
    'help run': help('run'),
    'run -h': help('run'),
    'run --nosuch a b c --help': help('run'),
    'run -c --help': help('run'),
    '--root /x ps -h': help('ps'),
    'completion --help': help('completion'),
    '--version': { kind: 'version' },
    'run a.yaml --version': { kind: 'version' },
    completion: { kind: 'completion' },
    'completion zsh': { kind: 'completion' },
    '--get-yargs-completions podspace run --': { kind: 'completion' },
  };
  for (const [line, parsed] of Object.entries(cases)) t.same(parseArguments(line.split(' ')), parsed, line);
  t.same(parseArguments([]), help());
  t.match(parseArguments(['exec', 'p', '--', 'ls', '--help']), { kind: 'command', name: 'exec' });
  t.end();
});
