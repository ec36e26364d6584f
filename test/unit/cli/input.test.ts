import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import t from 'tap';
import { UserError } from '../../../src/base/errors.ts';
import { printWarnings, readInput } from '../../../src/cli/input.ts';
import type { Args, Io } from '../../../src/cli/io.ts';
import { HEAD } from '../kube/pods.ts';

const args = (values: Args['values']): Args => ({ values, rest: [] });

/** Nothing is stored there. */
const io = { roots: { run: '/nonexistent/run', state: '/nonexistent' } } as Io;

async function mistakeOf(values: Args['values']): Promise<string> {
  try {
    await readInput(args(values), io);
  } catch (error) {
    if (error instanceof UserError) return `${error.message} | ${error.hint}`;
    throw error;
  }
  return 'accepted';
}

t.test('what cannot be a manifest is one line that says why', async t => {
  const dir = t.testdir({
    'empty.yaml': '',
    'comment.yaml': '# nothing\n---\n',
    'service.yaml': 'apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {}\n',
    'control.yaml': 'apiVersion: v1\nkind: \u001b[31mPod\n',
  });
  writeFileSync(`${dir}/latin1.yaml`, Buffer.from('a: b\nc: caf\xe9\n', 'latin1'));
  writeFileSync(`${dir}/binary`, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0xff]));
  writeFileSync(`${dir}/large.yaml`, Buffer.alloc(9 << 20, '# \n'));
  const none = 'no pod, nor a workload with a pod template | undefined';
  const cases: Readonly<Record<string, string>> = {
    [`${dir}/nosuch.yaml`]: `cannot read "${dir}/nosuch.yaml": no such file | undefined`,
    '': 'cannot read "": no such file | undefined',
    [dir]: `cannot read "${dir}": is a directory | undefined`,
    [`${dir}/empty.yaml/x`]: `cannot read "${dir}/empty.yaml/x": not a directory | undefined`,
    [`${dir}/${'x'.repeat(300)}`]: `cannot read "${dir}/${'x'.repeat(300)}": name too long | undefined`,
    [`${dir}/empty.yaml`]: `${dir}/empty.yaml: ${none}`,
    [`${dir}/comment.yaml`]: `${dir}/comment.yaml: ${none}`,
    [`${dir}/service.yaml`]: `${dir}/service.yaml: ${none}`,
    [`${dir}/latin1.yaml`]: `${dir}/latin1.yaml:2: not UTF-8 text | is it a manifest?`,
    [`${dir}/binary`]: `${dir}/binary:1: not UTF-8 text | is it a manifest?`,
    [`${dir}/large.yaml`]: `"${dir}/large.yaml" is larger than 8 MiB | is it a manifest?`,
    '/dev/zero': '"/dev/zero" is larger than 8 MiB | is it a manifest?',
  };
  for (const [file, message] of Object.entries(cases)) {
    t.equal(await mistakeOf({ file }), message);
    t.equal(await mistakeOf({ filename: file }), message, '-f');
  }
  t.match(await mistakeOf({ file: `${dir}/control.yaml` }), ':2:7: control characters are not allowed');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may reach a terminal
  t.notMatch(await mistakeOf({ file: `${dir}/control.yaml` }), /\u001b/);
});

t.test('which file is meant', async t => {
  const file = `${t.testdir({ 'pod.yaml': HEAD })}/pod.yaml`;
  t.match(await mistakeOf({}), 'no manifest is given | podspace run pod.yaml, or "-"');
  t.equal(
    await mistakeOf({ filename: file, file: 'sh' }),
    'unexpected argument "sh" | a command goes after "--"',
  );
  for (const values of [{ file }, { filename: file }])
    t.equal((await readInput(args(values), io)).pods[0]?.metadata?.name, 'p');
});

// Node makes the input of what it starts blocking, so another program has to start this.
const needsPython = spawnSync('python3', ['-V']).status === 0 ? false : 'needs python3';

t.test('standard input may be non-blocking, and empty now and then', { skip: needsPython }, t => {
  const script = `
    import os, subprocess, time
    r, w = os.pipe()
    os.set_blocking(r, False)
    child = subprocess.Popen(["${process.execPath}", "dist/podspace.js", "compile", "-", "--emit=pod"], stdin=r)
    os.close(r)
    for part in (${JSON.stringify(HEAD.slice(0, 30))}, ${JSON.stringify(HEAD.slice(30))}):
      time.sleep(0.2)
      os.write(w, part.encode())
    os.close(w)
    raise SystemExit(child.wait())`.replace(/^ {4}/gm, '');
  const { status, stdout, stderr } = spawnSync('python3', ['-c', script], { encoding: 'utf8' });
  t.equal(status, 0, stderr);
  t.match(JSON.parse(stdout), { metadata: { name: 'p' } });
  t.end();
});

t.test('generateName gets an ending that is a DNS label and never the same', async t => {
  const file = `${t.testdir({ 'pod.yaml': HEAD.replace('{name: p}', '{generateName: web-}') })}/pod.yaml`;
  const inputs = await Promise.all(Array.from({ length: 50 }, () => readInput(args({ file }), io)));
  const names = inputs.map(({ pods }) => pods[0]?.metadata?.name ?? '');
  for (const name of names) t.match(name, /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  t.ok(new Set(names).size > 45);
  const named = HEAD.replace('{name: p}', '{name: p, generateName: web-}');
  const both = `${t.testdir({ 'pod.yaml': named })}/pod.yaml`;
  t.equal((await readInput(args({ file: both }), io)).pods[0]?.metadata?.name, 'p');
});

t.test('--validate, and what has no effect, are warnings', async t => {
  const service = 'apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {}\n---\n';
  const file = `${t.testdir({ 'pod.yaml': `${service}${HEAD}    comand: [sh]\n` })}/pod.yaml`;
  t.match(await mistakeOf({ file }), 'unknown field "spec.containers[0].comand"');
  t.same((await readInput(args({ file, validate: 'warn' }), io)).warnings, [
    `${file}:13:5: unknown field "spec.containers[0].comand"`,
    'Service "s" has no effect on this run',
  ]);
  t.same((await readInput(args({ file, validate: 'ignore' }), io)).warnings, [
    'Service "s" has no effect on this run',
  ]);
});

t.test('the same warning is printed once', t => {
  let printed = '';
  const printer = {
    err: (text: string) => (printed += text),
    color: { out: false, err: false },
  } as unknown as Io;
  printWarnings(printer, ['a', 'b', 'a']);
  t.equal(printed, 'Warning: a\nWarning: b\n');
  t.end();
});
