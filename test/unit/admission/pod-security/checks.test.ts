import t from 'tap';
import type { Check, VersionedCheck } from '../../../../src/admission/pod-security/check.ts';
import { CHECKS } from '../../../../src/admission/pod-security/checks.ts';
import { evaluatePod, type PodOrTemplate } from '../../../../src/admission/pod-security/evaluate.ts';
import type { Version } from '../../../../src/admission/pod-security/levels.ts';
import { podOf } from './hardened.ts';
import type { Rows } from './rows.ts';
import { BASELINE_ROWS } from './rows-baseline.ts';
import { RESTRICTED_ROWS } from './rows-restricted.ts';

const ROWS: readonly Rows[] = [...BASELINE_ROWS, ...RESTRICTED_ROWS];

/** The first and the last version in which a variant of a check holds. */
function spanOf({ versions }: Check, variant: VersionedCheck): readonly Version[] {
  const next = versions[versions.indexOf(variant) + 1];
  return [variant.since, next === undefined ? 'latest' : next.since - 1];
}

const rowsOf = (id: string, since: number): readonly Rows[] =>
  ROWS.filter(rows => rows.id === id && rows.since.includes(since));

t.test('the rows name checks and versions that are there', t => {
  for (const { id, since } of ROWS) {
    const versions = CHECKS.find(check => check.id === id)?.versions.map(version => version.since) ?? [];
    for (const minor of since) t.ok(versions.includes(minor), `${id} 1.${minor}`);
  }
  t.end();
});

for (const check of CHECKS)
  for (const variant of check.versions)
    t.test(`${check.id} 1.${variant.since}`, t => {
      const groups = rowsOf(check.id, variant.since);
      const accepted = groups.flatMap(({ accepted: pods = [] }) => pods);
      const rejected = groups.flatMap(({ reason, rejected: pods = [] }) =>
        pods.map(([pod, detail]) => ({ pod, violation: { id: check.id, reason, detail } })),
      );
      t.ok(accepted.length > 0, 'a pod is accepted');
      t.ok(rejected.length > 0, 'a pod is rejected');
      for (const version of spanOf(check, variant)) {
        const evaluate = (pod: PodOrTemplate) => evaluatePod({ level: check.level, version }, pod);
        for (const pod of accepted) t.same(evaluate(pod), [], `${version}: ${JSON.stringify(pod)}`);
        for (const { pod, violation } of rejected) t.same(evaluate(pod), [violation], `${version}`);
      }
      t.end();
    });

t.test('a check that has not begun says nothing', t => {
  for (const check of CHECKS) {
    const since = check.versions[0]?.since ?? 0;
    if (since === 0) continue;
    for (const [pod] of rowsOf(check.id, since).flatMap(({ rejected = [] }) => rejected)) {
      const ids = evaluatePod({ level: check.level, version: since - 1 }, pod).map(({ id }) => id);
      t.notOk(ids.includes(check.id), `${check.id} 1.${since - 1}`);
    }
  }
  t.end();
});

t.test('the registry is in the order in which violations are told', t => {
  const keys = CHECKS.map(({ level, id }) => `${level} ${id}`);
  t.same(keys, [...keys].sort());
  t.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  for (const { id, level, versions } of CHECKS) {
    const sinces = versions.map(({ since }) => since);
    t.same(
      sinces,
      [...new Set(sinces)].sort((a, b) => a - b),
      id,
    );
    for (const overridden of versions.flatMap(({ overrides = [] }) => overrides)) {
      t.equal(level, 'restricted', id);
      t.equal(CHECKS.find(check => check.id === overridden)?.level, 'baseline', `${id}: ${overridden}`);
    }
  }
  t.end();
});

t.test('the least that is allowed, is allowed at every version', t => {
  for (let version = 0; version <= 40; version++)
    t.same(evaluatePod({ level: 'restricted', version }, podOf()), []);
  t.same(evaluatePod({ level: 'restricted', version: 'latest' }, {}), []);
  t.end();
});
