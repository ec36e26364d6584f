/**
 * One process that asks its parent for one compiled test file after the other, and runs each under `node --test`'s runner.
 * Answers with what a file printed as TAP, a test of the file's own name around it, the sums of its tests, and its failures.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { run } from 'node:test';
import { tap } from 'node:test/reporters';
import { stripVTControlCharacters } from 'node:util';

const SUM = /^(tests|suites|pass|fail|cancelled|skipped|todo) (\d+)$/;

/** Seconds that the processes have computed that this one has waited for: fields 16 and 17 of proc_pid_stat(5). */
function computed() {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

function describe({ name, file, line, details }) {
  const error = details.error?.cause ?? details.error;
  const text = stripVTControlCharacters(String(error?.message ?? error))
    .split('\n')
    .slice(0, 30)
    .join('\n    ');
  const place = file === undefined ? '' : `${relative(process.cwd(), file)}${line ? `:${line}` : ''}, `;
  return `FAILED: ${name} (${place}${Math.round(details.duration_ms)} ms)\n    ${text}\n`;
}

const ended = new AbortController();
process.setMaxListeners(0);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => ended.abort());

async function runFile({ file, source, number }) {
  const began = performance.now();
  const before = computed();
  const counts = {};
  const failures = [];
  async function* inner() {
    for await (const event of run({ files: [file], concurrency: 1, signal: ended.signal })) {
      const { type, data } = event;
      const isTop = data.nesting === 0;
      const [, what, count] = (isTop && type === 'test:diagnostic' && SUM.exec(data.message)) || [];
      if (what !== undefined) counts[what] = Number(count);
      else if (isTop && type === 'test:diagnostic' && data.message.startsWith('duration_ms ')) continue;
      else {
        const isFailure = type === 'test:fail' && data.todo === undefined;
        if (isFailure && data.details?.error?.failureType !== 'subtestsFailed') failures.push(describe(data));
        yield { type, data: { ...data, ...('nesting' in data ? { nesting: data.nesting + 1 } : {}) } };
      }
    }
    const duration_ms = performance.now() - began;
    const isBad = failures.length > 0 || (counts.fail ?? 0) + (counts.cancelled ?? 0) > 0;
    const data = { name: source, nesting: 0, testNumber: number, details: { duration_ms, type: 'suite' } };
    yield { type: isBad ? 'test:fail' : 'test:pass', data };
  }
  const chunks = [];
  for await (const chunk of tap(inner())) chunks.push(chunk);
  return {
    source,
    text: chunks.join('').replace(/^TAP version 13\n/, ''),
    counts,
    failures,
    seconds: (performance.now() - began) / 1000,
    cpu: computed() - before,
  };
}

process.on('message', async job => {
  if (job === null) process.disconnect();
  else process.send(await runFile(job));
});
process.send(null);
