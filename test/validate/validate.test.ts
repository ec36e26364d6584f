import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import t from 'tap';
import { command } from '../unit/cli/command.ts';

/**
 * One folder a case: manifests, `args` (by default all manifests), and what `podspace validate` says in each format, with the
 * exit code. UPDATE_GOLDEN=1 writes those anew.
 */
const DIRECTORY = resolve('test/validate');
const PACKAGE = resolve('package.json');
const FORMATS = { 'text.txt': [], 'json.json': ['-o', 'json'], 'sarif.json': ['-o', 'sarif'] } as const;
const isUpdate = process.env.UPDATE_GOLDEN === '1';
const cases = readdirSync(DIRECTORY, { withFileTypes: true }).filter(entry => entry.isDirectory());

function wordsOf(directory: string): readonly string[] {
  if (existsSync(`${directory}/args`))
    return readFileSync(`${directory}/args`, 'utf8').split(/\s+/).filter(Boolean);
  return readdirSync(directory).filter(name => name.endsWith('.yaml'));
}

for (const { name } of cases) {
  t.test(name, async t => {
    const directory = `${DIRECTORY}/${name}`;
    process.chdir(directory);
    const codes = new Set<number>();
    for (const [golden, format] of Object.entries(FORMATS)) {
      const { stdout, stderr, exitCode } = await command(['validate', ...wordsOf(directory), ...format]);
      codes.add(exitCode);
      const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
      // What a program reads stands alone in its file; a person sees both streams, and the shell the code.
      const text =
        format.length > 0 && stdout !== ''
          ? stdout.replace(`"version": "${version}"`, '"version": "VERSION"')
          : `${stdout}${stderr}exit code ${exitCode}\n`;
      if (isUpdate) writeFileSync(golden, text);
      t.equal(text, existsSync(golden) ? readFileSync(golden, 'utf8') : '', golden);
      if (format.length > 0 && stdout !== '') t.doesNotThrow(() => JSON.parse(stdout), golden);
    }
    t.equal(codes.size, 1, 'the exit code does not depend on the format');
    t.same(
      readdirSync('.')
        .filter(file => !/^(args|[\w-]+(\.ya?ml)?|bad\.bin)$/.test(file))
        .sort(),
      Object.keys(FORMATS).sort(),
      'no golden is left over',
    );
  });
}

t.test('on a terminal the verdict and the diff have colours, and nothing else changes', async t => {
  process.chdir(`${DIRECTORY}/mutated`);
  const { stdout } = await command(['validate', 'pod.yaml', 'policy.yaml'], { hasColor: true });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are the colours
  t.equal(`${stdout.replace(/\u001b\[\d+m/g, '')}exit code 0\n`, readFileSync('text.txt', 'utf8'));
  t.match(stdout, ': \u001b[32madmitted\u001b[39m by ');
  t.match(stdout, '\n\u001b[32m    +        runAsGroup: 3000\u001b[39m\n');
  t.match(stdout, '\n\u001b[31m    -  securityContext: {}\u001b[39m\n');
  t.match(stdout, '\n    +++ as admitted\n');
  process.chdir(`${DIRECTORY}/level`);
  const denied = await command(['validate', 'pods.yaml', '--level', 'restricted'], { hasColor: true });
  t.match(denied.stdout, ': \u001b[31mdenied\u001b[39m\n');
});
