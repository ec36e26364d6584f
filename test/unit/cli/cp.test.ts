import t from 'tap';
import { parseFileSpec } from '../../../src/cli/cp.ts';

t.test('what is in a pod, and what is here', t => {
  for (const [word, pod, path] of [
    ['web:/etc/hosts', 'web', '/etc/hosts'],
    ['prod/web:a', 'prod/web', 'a'],
    ['web:a:b', 'web', 'a:b'],
    ['web:', 'web', ''],
    ['file', undefined, 'file'],
    ['./a:b', undefined, './a:b'],
    ['../a:b', undefined, '../a:b'],
    ['/tmp/12:30', undefined, '/tmp/12:30'],
  ] as const)
    t.same(parseFileSpec(word), { pod, path }, word);
  for (const word of [':/a', 'a/b/c:/d'])
    t.throws(() => parseFileSpec(word), {
      message: 'filespec must match the canonical format: [[namespace/]pod:]file/path',
    });
  t.end();
});
