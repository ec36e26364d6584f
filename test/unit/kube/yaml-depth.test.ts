import t from 'tap';
import { deepestIn } from '../../../src/kube/yaml-depth.ts';

const pod = 'kind: Pod\nmetadata: { name: a }\nspec:\n  containers:\n  - { name: a, image: b }\n';

t.test('many documents are not deep, and neither is a long one', t => {
  t.equal(deepestIn(`---\n${pod}`.repeat(1000)), undefined);
  t.equal(deepestIn(`items:\n${'- a: [1, { b: c }]\n'.repeat(1000)}`), undefined);
  t.end();
});

t.test('the place where it is too deep, in whichever document', t => {
  const deep = '- '.repeat(1000);
  const alone = deepestIn(deep) ?? 0;
  t.ok(alone >= 250 && alone <= 600);
  const before = `---\n${pod}`.repeat(3);
  t.equal(deepestIn(`${before}---\n${deep}`), before.length + 4 + alone);
  for (const level of ['[', '{a: ', '\na: ? ', '? ', '!t &a [']) t.ok(deepestIn(level.repeat(1000)), level);
  // What looks like another document within one.
  t.ok(deepestIn(`${'['.repeat(200)}\n ---\n${'['.repeat(200)}`));
  t.end();
});
