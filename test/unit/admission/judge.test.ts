import fc from 'fast-check';
import t from 'tap';
import { acceptPod } from '../../../src/admission/accept.ts';
import { type AdmissionRequest, admitByNamespace, admitByPolicy } from '../../../src/admission/admission.ts';
import { ForbiddenPodError } from '../../../src/admission/forbidden.ts';
import { judgePod } from '../../../src/admission/judge.ts';
import { InvalidObjectError } from '../../../src/kube/invalid-object.ts';
import { type LoadedPod, loadManifest } from '../../../src/kube/manifest.ts';
import type { PodSpec } from '../../../src/kube/types.generated.ts';
import { policyOf } from './pod-security-policy/policies.ts';
import { BOB, enforcing, requestOf } from './requests.ts';

/** As a file has it, so that places are those of a file. */
function loaded(spec: PodSpec, metadata: object = { name: 'p' }): LoadedPod {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata, spec }, null, 1);
  const [pod] = loadManifest([{ file: 'pod.json', text }]).pods;
  if (pod === undefined) throw new Error('no pod');
  return pod;
}

const CONTAINER = { name: 'c', image: 'i' };
/** Refused by the policy, by validation and by the baseline, in this order. */
const [NOT_BY_POLICY, INVALID, NOT_BY_NAMESPACE] = [
  { securityContext: { privileged: true } },
  { command: [], terminationMessagePolicy: 'Never' },
  { securityContext: { capabilities: { add: ['SYS_ADMIN'] } } },
];
const POLICY = policyOf({ allowedCapabilities: ['*'], readOnlyRootFilesystem: true }, { name: 'open' });
const REQUEST = requestOf({ policies: [POLICY], namespaces: enforcing('baseline') });

/** What the API server answers with. */
function accept(pod: LoadedPod, request: AdmissionRequest): string {
  const admission = {
    admitByPolicy: (asked: Parameters<typeof admitByPolicy>[0]) => admitByPolicy(asked, request),
    admitByNamespace: (asked: Parameters<typeof admitByNamespace>[0]) => admitByNamespace(asked, request),
  };
  try {
    acceptPod(pod, 'uid', { admission, isLenient: true });
    return 'accepted';
  } catch (error) {
    if (error instanceof ForbiddenPodError || error instanceof InvalidObjectError) return error.message;
    throw error;
  }
}

const CASES: readonly (readonly [
  title: string,
  containers: PodSpec['containers'],
  answer: RegExp,
  rules: RegExp,
])[] = [
  ['nothing is wrong', [CONTAINER], /^accepted$/, /^$/],
  [
    'the policy comes first',
    [
      { ...CONTAINER, ...NOT_BY_POLICY },
      { name: 'd', image: 'i', ...INVALID },
      { name: 'e', image: 'i', ...NOT_BY_NAMESPACE },
    ],
    /^pods "p" is forbidden: PodSecurityPolicy: unable to admit pod: \[/,
    /^PodSecurityPolicy\/open Invalid PodSecurity\/capabilities_baseline PodSecurity\/privileged$/,
  ],
  [
    'then validation',
    [
      { ...CONTAINER, ...INVALID },
      { name: 'e', image: 'i', ...NOT_BY_NAMESPACE },
    ],
    /^The Pod "p" is invalid: spec\.containers\[0\]\.terminationMessagePolicy: /,
    /^Invalid PodSecurity\/capabilities_baseline$/,
  ],
  [
    'the namespace comes last',
    [{ ...CONTAINER, ...NOT_BY_NAMESPACE }],
    /^pods "p" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities /,
    /^PodSecurity\/capabilities_baseline$/,
  ],
];

for (const [title, containers, answer, rules] of CASES)
  t.test(title, t => {
    const pod = loaded({ containers });
    t.match(accept(pod, REQUEST), answer);
    const judgement = judgePod(pod, REQUEST);
    t.match(judgement.breaches.map(({ rule }) => rule).join(' '), rules, 'the judge has every reason');
    t.equal(judgement.isAdmitted, judgement.breaches.length === 0);
    t.end();
  });

t.test('the judge’s answer is what the API server says first', t => {
  for (const [, containers] of CASES.slice(1)) {
    const { answer = '' } = judgePod(loaded({ containers }), REQUEST);
    const said = accept(loaded({ containers }), REQUEST).split('\n')[0] ?? '';
    t.ok(said.endsWith(answer) || answer.startsWith('invalid: '), `${said} | ${answer}`);
  }
  t.end();
});

t.test('places of what is wrong are below the API server’s words', t => {
  const spec = { hostPID: true, containers: [{ ...CONTAINER, ...NOT_BY_POLICY }] };
  t.match(
    accept(loaded(spec), REQUEST),
    /not allowed\]\n {2}pod\.json:8:3: spec\.hostPID\n {2}pod\.json:14:6: spec\.containers\[0\]\.securityContext\.privileged$/,
  );
  t.end();
});

t.test('where no field is the cause, the hint says what is', t => {
  const pod = loaded({ containers: [CONTAINER] });
  const denial = admitByPolicy(pod.pod, { ...REQUEST, user: { name: 'eve', groups: [] } });
  if (!('denial' in denial)) return t.fail('admitted');
  const error = new ForbiddenPodError(pod, pod.pod, denial);
  t.equal(error.message, 'pods "p" is forbidden: PodSecurityPolicy: unable to admit pod: []');
  t.equal(error.hint, '"system:serviceaccount:default:default" or "eve" may use none of: open');
  return t.end();
});

t.test('of a generated name only the beginning is known', t => {
  const pod = loaded({ containers: [{ ...CONTAINER, ...NOT_BY_POLICY }] }, { generateName: 'web-' });
  const named: LoadedPod = {
    ...pod,
    isNameGenerated: true,
    pod: { ...pod.pod, metadata: { ...pod.pod.metadata, name: 'web-x7k2p' } },
  };
  t.match(accept(named, REQUEST), /^pods "web-" is forbidden: PodSecurityPolicy: /);
  t.end();
});

t.test('a judged pod: before, after, warnings, and what podspace does not run', t => {
  const request = requestOf({
    policies: [POLICY],
    namespaces: enforcing('privileged', { 'pod-security.kubernetes.io/warn': 'baseline' }),
  });
  const pod = loaded({
    containers: [{ ...CONTAINER, ...NOT_BY_NAMESPACE, ports: [{ containerPort: 80 }] }],
    hostAliases: [{ ip: '1.2.3.4', hostnames: ['a'] }],
    volumes: [{ name: 'v', nfs: { server: 's', path: '/' } }],
  });
  const judgement = judgePod(pod, request);
  t.equal(judgement.isAdmitted, true);
  t.equal(judgement.answer, undefined);
  t.equal(judgement.before.spec?.containers[0]?.securityContext?.readOnlyRootFilesystem, undefined);
  t.equal(judgement.before.spec?.restartPolicy, 'Always', 'it has its defaults');
  t.equal(judgement.after.spec?.containers[0]?.securityContext?.readOnlyRootFilesystem, true);
  t.match(judgement.warnings, [/^would violate PodSecurity "baseline:latest": /]);
  t.match(judgement.unsupported, [{ rule: 'podspace/unsupported', paths: [/^spec\.volumes\[0\]/] }]);
  t.end();
});

t.test('a denied pod is looked at further as it was written', t => {
  const judgement = judgePod(loaded({ containers: [CONTAINER] }), {
    ...REQUEST,
    user: BOB,
    rbac: REQUEST.rbac,
  });
  t.equal(judgement.isAdmitted, true, 'bob may use it');
  const denied = judgePod(loaded({ containers: [CONTAINER] }), {
    ...REQUEST,
    user: { name: 'eve', groups: [] },
  });
  t.equal(denied.isAdmitted, false);
  t.strictSame(denied.after, denied.before);
  t.equal(denied.policy, undefined);
  t.equal(denied.breaches.length, 1);
  t.end();
});

t.test('judge and pipeline agree about every pod', t => {
  const seen = { accepted: 0, refused: 0 };
  const context = fc.subarray([NOT_BY_POLICY, INVALID, NOT_BY_NAMESPACE, { stdin: true }]);
  const containers = fc
    .array(context, { minLength: 1, maxLength: 3 })
    .map(list => list.map((parts, i) => Object.assign({ name: `c${i}`, image: 'i' }, ...parts)));
  const requests = fc.constantFrom(
    REQUEST,
    requestOf(),
    requestOf({ policies: [POLICY], user: { name: 'eve', groups: [] } }),
    requestOf({ level: { level: 'restricted', version: 'latest' } }),
  );
  fc.assert(
    fc.property(containers, requests, (containers, request) => {
      const pod = loaded({ containers });
      const { isAdmitted, answer } = judgePod(pod, request);
      const said = accept(pod, request);
      seen[isAdmitted ? 'accepted' : 'refused']++;
      return isAdmitted === (said === 'accepted') && isAdmitted === (answer === undefined);
    }),
    { numRuns: 200 },
  );
  t.ok(seen.accepted > 10 && seen.refused > 10, JSON.stringify(seen));
  t.end();
});
