import t from 'tap';
import { formatFieldError } from '../../../src/kube/field-error.ts';
import { selectorMatches, validateLabelSelector } from '../../../src/kube/label-selector.ts';
import type { LabelSelectorRequirement } from '../../../src/kube/types.generated.ts';

t.test('labels', t => {
  const labels = { app: 'web', tier: '' };
  for (const [matchLabels, expected] of [
    [undefined, true],
    [{}, true],
    [{ app: 'web' }, true],
    [{ app: 'web', tier: '' }, true],
    [{ app: 'db' }, false],
    [{ app: 'web', x: '' }, false],
    [{ toString: 'x' }, false],
  ] as const)
    t.equal(selectorMatches({ matchLabels }, labels), expected, JSON.stringify(matchLabels));
  t.ok(selectorMatches({}, undefined));
  t.notOk(selectorMatches({ matchLabels: { app: 'web' } }, undefined));
  t.end();
});

t.test('expressions', t => {
  const row = (operator: string, ...values: readonly string[]): LabelSelectorRequirement => ({
    key: 'app',
    operator,
    values,
  });
  for (const [requirement, web, none] of [
    [row('In', 'web', 'db'), true, false],
    [row('In', 'db'), false, false],
    [row('NotIn', 'web'), false, true],
    [row('NotIn', 'db'), true, true],
    [row('Exists'), true, false],
    [row('DoesNotExist'), false, true],
    [row('exists'), false, false],
    [row('toString'), false, false],
  ] as const) {
    const selector = { matchExpressions: [requirement] };
    t.equal(selectorMatches(selector, { app: 'web' }), web, JSON.stringify(requirement));
    t.equal(selectorMatches(selector, {}), none, `${JSON.stringify(requirement)} without labels`);
  }
  t.notOk(selectorMatches({ matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }, {}));
  const both = { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'x', operator: 'Exists' }] };
  t.notOk(selectorMatches(both, { app: 'web' }));
  t.ok(selectorMatches(both, { app: 'web', x: '' }));
  t.end();
});

t.test('mistakes', t => {
  const of = (requirement: LabelSelectorRequirement): readonly string[] =>
    validateLabelSelector({ matchExpressions: [requirement] }, 's').map(formatFieldError);
  const values = 's.matchExpressions[0].values';
  t.same(of({ key: 'a', operator: 'In', values: ['b'] }), []);
  t.same(of({ key: 'a', operator: 'Exists' }), []);
  t.same(of({ key: 'a', operator: 'NotIn', values: [] }), [
    `${values}: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
  ]);
  t.same(of({ key: 'a', operator: 'DoesNotExist', values: ['b'] }), [
    `${values}: Forbidden: may not be specified when \`operator\` is 'Exists' or 'DoesNotExist'`,
  ]);
  t.same(of({ key: 'a', operator: 'in', values: ['b'] }), [
    's.matchExpressions[0].operator: Invalid value: "in": not a valid selector operator',
  ]);
  t.match(of({ key: '', operator: 'In', values: ['b', '-'] }), [
    's.matchExpressions[0].key: Invalid value: "": name part must be non-empty',
    /^s.matchExpressions\[0\].key: Invalid value: "": name part must consist of /,
    /^s.matchExpressions\[0\].values\[1\]: Invalid value: "-": a valid label must be /,
  ]);
  t.match(validateLabelSelector({ matchLabels: { a: '-' } }, 's').map(formatFieldError), [
    /^s.matchLabels: Invalid value: "-": a valid label must be /,
  ]);
  t.end();
});
