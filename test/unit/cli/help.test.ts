import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';
import { COMMANDS, GLOBAL_OPTIONS } from '../../../src/cli/commands.ts';
import { helpText } from '../../../src/cli/help.ts';

/** Without the line breaks that yargs puts in. */
const flat = (text: string): string => text.replace(/\s+/g, ' ');

t.test('podspace --help names every command and every global option', async t => {
  const text = flat(await helpText(undefined));
  for (const [name, { describe }] of Object.entries(COMMANDS)) {
    t.match(text, `podspace ${name}`);
    t.match(text, describe);
  }
  for (const [name, { describe }] of Object.entries(GLOBAL_OPTIONS)) {
    t.match(text, `--${name} `);
    t.match(text, describe);
  }
  for (const word of ['completion', '--version', '-h, --help']) t.match(text, word);
});

for (const [name, spec] of Object.entries(COMMANDS)) {
  t.test(`podspace ${name} --help names every option, argument and example of the table`, async t => {
    const text = flat(await helpText(name));
    t.ok(text.startsWith(`podspace ${name} [options]`), text.slice(0, 60));
    t.match(text, spec.describe);
    t.equal(text.includes('-- CMD ARG…'), spec.takesRest !== undefined);
    for (const [option, { alias, describe, choices, default: value }] of Object.entries({
      ...GLOBAL_OPTIONS,
      ...spec.options,
    })) {
      t.match(text, ` ${alias === undefined ? '' : `-${alias}, `}--${option} `);
      t.match(text, describe);
      if (choices !== undefined)
        t.match(text, `[choices: ${choices.map(choice => `"${choice}"`).join(', ')}]`);
      if (value !== undefined) t.match(text, `[default: "${value}"]`);
    }
    for (const positional of spec.positionals) {
      const word = `${positional.name}${positional.variadic === true ? '..' : ''}`;
      t.match(text, positional.required ? `<${word}>` : `[${word}]`);
      t.match(text, positional.describe);
    }
    for (const [example, what] of spec.examples) {
      // yargs breaks an example in its two columns.
      for (const word of `${example} ${what}`.split(' ')) t.ok(text.includes(word), word);
    }
  });
}

t.test('podspace completion --help', async t => t.match(await helpText('completion'), 'source <('));

const PODSPACE = resolve('dist/podspace.js');
const skip = existsSync(PODSPACE) ? false : 'dist/ is not built';

t.test('bash completes commands, options and their choices', { skip }, t => {
  const bin = t.testdir({ podspace: `#!/bin/sh\nexec '${process.execPath}' '${PODSPACE}' "$@"\n` });
  chmodSync(`${bin}/podspace`, 0o755);
  const complete = (line: string): string[] => {
    const script = `source <(podspace completion bash); COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _podspace_yargs_completions; echo "\${COMPREPLY[*]}"`;
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
      env: { PATH: `${bin}:${process.env.PATH}` },
      encoding: 'utf8',
    });
    t.equal(stderr, '');
    return stdout.trim().split(' ');
  };
  t.same(complete('podspace in'), ['inspect']);
  t.same(complete('podspace ""').sort(), [...Object.keys(COMMANDS), 'completion'].sort());
  const options = complete('podspace run --');
  for (const option of Object.keys({ ...GLOBAL_OPTIONS, ...COMMANDS.run?.options }))
    t.ok(options.includes(`--${option}`), option);
  t.notOk(options.includes('--f'), 'no long form of a one-letter option');
  t.same(complete('podspace compile pod.yaml --emit p'), ['pod', 'program']);
  t.same(complete('podspace run pod.yaml -o ""'), ['json']);
  t.same(complete('podspace image i'), ['import', 'inspect']);
  t.end();
});

t.test('completion is for the shell that was named, else for the one in use', { skip }, t => {
  const script = (args: readonly string[], SHELL: string): string =>
    spawnSync(process.execPath, [PODSPACE, 'completion', ...args], { encoding: 'utf8', env: { SHELL } })
      .stdout;
  t.match(script(['zsh'], '/bin/bash'), '#compdef podspace');
  t.match(script([], '/bin/zsh'), '#compdef podspace');
  t.match(script(['bash'], '/bin/zsh'), 'complete -o bashdefault');
  t.end();
});
