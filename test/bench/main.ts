import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { inProcess } from './in-process.ts';
import { allAtOnce, oneAfterTheOther } from './many.ts';
import { table } from './report.ts';
import { Standalone } from './standalone.ts';
import { exec, runTrue, twenty, validate } from './whole-commands.ts';

const DOCUMENT = 'docs/benchmarks.md';
const MARK = '<!-- npm run bench -->';

const bench = new Standalone();
const parts: string[] = [
  `${new Date().toISOString().slice(0, 10)}, Linux ${release()}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}.\n`,
];
const print = (part: string): void => {
  console.log(part);
  parts.push(part);
};

try {
  print(table('(a) a sandbox with all namespaces, from inside a program', 'C', await inProcess(bench)));
  print(table('(b) a pod of one container that runs `true`', '`node -e 0`', runTrue(bench)));
  print(table('(c) a pod of 20 containers', '1 container', twenty(bench)));
  print(table('(c) a command in a running container', '`node -e 0`', await exec(bench)));
  print(table('(f) decisions about pods, without running them', '1 pod', validate(bench)));
  print(await oneAfterTheOther());
  print(await allAtOnce());
  print(process.env.PODSPACE_BENCH_HARDENING ?? '');
  print(process.env.PODSPACE_BENCH_NETWORK ?? '');
  print(process.env.PODSPACE_BENCH_RULES ?? '');
  print(process.env.PODSPACE_BENCH_THROUGHPUT ?? '');
  print(process.env.PODSPACE_BENCH_IMAGES ?? '');
  print(process.env.PODSPACE_BENCH_OCI ?? '');
  print(process.env.PODSPACE_BENCH_AGENT ?? '');
} finally {
  bench.remove();
}

if (process.argv.includes('--write')) {
  const [head = '', , tail = ''] = readFileSync(DOCUMENT, 'utf8').split(MARK);
  writeFileSync(DOCUMENT, `${head}${MARK}\n${parts.join('\n')}${MARK}${tail}`);
}
