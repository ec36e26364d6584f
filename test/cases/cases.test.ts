import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { SYSCALL_NUMBERS } from '../../src/linux/constants.generated.ts';
import { FIRST_ARGUMENT_CALLS } from '../../src/oci/audit/observation.ts';
import type { OciConfig } from '../../src/oci/config.ts';
import { stagesOf } from './stages.ts';

/** One folder a case: pod.yaml, and what each stage makes of it. UPDATE_GOLDEN=1 writes the others anew. */
const DIRECTORY = 'test/cases';
const cases = readdirSync(DIRECTORY, { withFileTypes: true }).filter(entry => entry.isDirectory());
const isUpdate = process.env.UPDATE_GOLDEN === '1';
const called = new Set<string | undefined>();

for (const { name } of cases) {
  const directory = `${DIRECTORY}/${name}`;
  t.test(name, t => {
    const { files, programs } = stagesOf(directory, 'x64');
    for (const { instructions } of programs) for (const { name } of instructions) called.add(name);
    const there = readdirSync(directory).filter(file => file !== 'pod.yaml');
    if (isUpdate) {
      for (const file of there) rmSync(`${directory}/${file}`);
      for (const [file, text] of files) writeFileSync(`${directory}/${file}`, text);
    }
    t.strictSame(
      readdirSync(directory).sort(),
      ['pod.yaml', ...files.keys()].sort(),
      'no file is missing or left over',
    );
    for (const [file, text] of files) {
      if (there.includes(file) || isUpdate) t.equal(text, readFileSync(`${directory}/${file}`, 'utf8'), file);
    }
    t.end();
  });

  t.test(`${name} prints the same on arm64`, t => {
    const [x64, arm64] = [stagesOf(directory, 'x64').files, stagesOf(directory, 'arm64').files];
    for (const [file, text] of x64) t.equal(withoutCalls(arm64.get(file) ?? ''), withoutCalls(text), file);
    t.end();
  });
}

/** Which system calls there are to filter is the architecture's own; how many rules there are is not. */
function withoutCalls(text: string): string {
  if (!text.includes('"seccomp": {')) return text.replace(/\d+ system calls are let through/g, 'some are');
  const { linux, ...config } = JSON.parse(text) as OciConfig;
  const { architectures: _, syscalls = [], ...seccomp } = linux.seccomp ?? {};
  return JSON.stringify({ ...config, linux: { ...linux, seccomp: { ...seccomp, rules: syscalls.length } } });
}

/** Called by the runtime itself, or by a live test. */
const CALLED_DIRECTLY = new Set(
  ['src/native', 'src/network', 'src/runtime', 'src/image', 'src/oci-cli', 'test/live']
    .flatMap(folder =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter(file => file.endsWith('.ts'))
        .map(file => readFileSync(`${folder}/${file}`, 'utf8')),
    )
    .flatMap(text => [...text.matchAll(/(?:[sS]yscall|syscallInThread|call)\(\s*(?:path, )?'(\w+)'/g)])
    .map(match => match[1]),
);
/** Only in programs of an OCI config, which test/unit/oci-cli/gate.test.ts looks at. */
const OF_OCI_CONFIGS: ReadonlySet<string> = new Set([
  'faccessat2',
  'ioprio_set',
  'read',
  'sched_setattr',
  'setdomainname',
]);
/** Looked at when others call them. */
const WATCHED: ReadonlySet<string> = new Set(FIRST_ARGUMENT_CALLS);

t.test('every system call of the table is in a golden, or is called directly', t => {
  for (const name of Object.keys(SYSCALL_NUMBERS))
    t.ok(
      [called, CALLED_DIRECTLY, WATCHED, OF_OCI_CONFIGS].some(names => names.has(name)),
      name,
    );
  t.end();
});
