import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { acceptPod } from '../../src/admission/accept.ts';
import { UserError } from '../../src/base/errors.ts';
import { loadManifest } from '../../src/kube/manifest.ts';

/** Each NAME.yaml is refused with exactly the words of NAME.txt; UPDATE_GOLDEN=1 writes those. */
const DIRECTORY = 'test/rejected/kube';

function refusalOf(file: string): string {
  try {
    const text = readFileSync(`${DIRECTORY}/${file}`, 'utf8');
    for (const pod of loadManifest([{ file, text }]).pods) acceptPod(pod, 'uid');
  } catch (error) {
    if (error instanceof UserError) return `${error.message}\n`;
    throw error;
  }
  return 'accepted\n';
}

const files = readdirSync(DIRECTORY);
for (const file of files.filter(name => name.endsWith('.yaml'))) {
  t.test(file, t => {
    const golden = `${DIRECTORY}/${file.replace(/yaml$/, 'txt')}`;
    const refusal = refusalOf(file);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(golden, refusal);
    t.ok(existsSync(golden), `${golden} exists`);
    t.equal(refusal, existsSync(golden) ? readFileSync(golden, 'utf8') : '');
    t.not(refusal, 'accepted\n');
    t.end();
  });
}

t.test('every golden has its case', t => {
  for (const file of files.filter(name => name.endsWith('.txt')))
    t.ok(files.includes(file.replace(/txt$/, 'yaml')), file);
  t.end();
});
