import t from 'tap';
import { admitByPolicies, changesOf } from '../../../../src/admission/pod-security-policy/admit.ts';
import { validatePolicy } from '../../../../src/admission/pod-security-policy/policy.ts';
import type { Pod } from '../../../../src/kube/types.generated.ts';
import { load } from '../../kube/pods.ts';
import { container, pod, policyOf, providerOf, refusals, withContext } from './policies.ts';

/** Where tutorials and the source differ. */
const ALL = (): boolean => true;
const admit = (pod: Pod, ...policies: readonly Parameters<typeof policyOf>[]) =>
  admitByPolicies(
    pod,
    policies.map(args => policyOf(...args)),
    ALL,
  );

t.test('MustRunAs sets the container’s user whatever the range: the image’s USER never counts', t => {
  for (const [min, max] of [
    [5, 5],
    [5, 500],
  ] as const) {
    const result = admit(pod(), [{ runAsUser: { rule: 'MustRunAs', ranges: [{ min, max }] } }]);
    t.match(result, { pod: { spec: { containers: [{ securityContext: { runAsUser: 5 } }] } } });
  }
  const result = admit(pod(), [{}]);
  t.notOk('pod' in result && result.pod.spec?.containers[0]?.securityContext, 'RunAsAny leaves it');
  t.end();
});

t.test('to add what must be dropped: it is the adding that is refused', t => {
  const policy = policyOf({ requiredDropCapabilities: ['NET_RAW'] });
  t.strictSame(refusals(policy, withContext({ capabilities: { add: ['NET_RAW'] } })), [
    'spec.containers[0].securityContext.capabilities.add: Invalid value: "NET_RAW": capability may not be added',
  ]);
  const both = policyOf({ requiredDropCapabilities: ['NET_RAW'], allowedCapabilities: ['NET_RAW'] });
  t.equal(validatePolicy(both).length, 1, 'such a policy cannot be made');
  t.end();
});

t.test('a default capability that is the runtime’s own changes nothing but the choice', t => {
  const result = admit(pod(), [{ defaultAddCapabilities: ['CHOWN'] }, { name: 'a' }], [{}, { name: 'b' }]);
  t.match(result, { policy: 'b', isMutated: false });
  t.match(admit(pod(), [{ defaultAddCapabilities: ['CHOWN'] }]), { isMutated: true });
  t.end();
});

t.test('a read-only root is given to every pod that says nothing, and false is refused', t => {
  const policy = policyOf({ readOnlyRootFilesystem: true });
  t.strictSame(
    changesOf(pod(), providerOf(policy).mutate(pod())).map(({ path }) => path),
    ['spec.containers[0].securityContext.readOnlyRootFilesystem'],
  );
  t.equal(refusals(policy, withContext({ readOnlyRootFilesystem: false })).length, 1);
  t.end();
});

t.test('who may use a lax policy too gets that one', t => {
  const result = admit(
    pod(),
    [{ readOnlyRootFilesystem: true }, { name: 'default' }],
    [{ privileged: true, hostPID: true }, { name: 'privileged' }],
  );
  t.match(result, { policy: 'privileged', isMutated: false });
  t.notOk('pod' in result && result.pod.spec?.containers[0]?.securityContext);
  t.end();
});

t.test('port 9000', t => {
  const policy = policyOf({
    hostPorts: [
      { min: 10000, max: 11000 },
      { min: 13000, max: 14000 },
    ],
  });
  t.strictSame(refusals(policy, container({ ports: [{ containerPort: 80, hostPort: 9000 }] })), [
    'spec.containers[0].hostPort: Invalid value: 9000: Host port 9000 is not allowed to be used. Allowed ports: [10000-11000,13000-14000]',
  ]);
  t.end();
});

t.test('with the host’s network a port of a container is a host port: two refusals', t => {
  t.strictSame(refusals(policyOf(), container({ ports: [{ containerPort: 80 }] }, { hostNetwork: true })), [
    'spec.securityContext.hostNetwork: Invalid value: true: Host network is not allowed to be used',
    'spec.containers[0].hostPort: Invalid value: 80: Host port 80 is not allowed to be used. Allowed ports: []',
  ]);
  t.end();
});

t.test('a policy without secrets refuses the token that every pod has', t => {
  const token = { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } };
  const mounted = pod({ volumes: [{ name: 'kube-api-access-x', projected: { sources: [token] } }] });
  t.match(admit(mounted, [{ volumes: ['emptyDir'] }]), {
    denial:
      'PodSecurityPolicy: unable to admit pod: [spec.volumes[0]: Invalid value: "projected": projected volumes are not allowed to be used]',
  });
  t.match(admit(mounted, [{ volumes: ['secret'] }]), { policy: 'p' });
  const secret = pod({ volumes: [{ name: 'default-token-x', secret: { secretName: 'default-token-x' } }] });
  t.match(admit(secret, [{ volumes: ['emptyDir'] }]), { denial: /"secret": secret volumes are not allowed/ });
  t.match(admit(pod(), [{ volumes: [] }]), { policy: 'p' }, 'without a token there is nothing to refuse');
  t.end();
});

t.test('a prefix of a capability’s name makes it another one', t => {
  const policy = policyOf({ allowedCapabilities: ['SYS_TIME'], requiredDropCapabilities: ['ALL'] });
  t.strictSame(refusals(policy, withContext({ capabilities: { add: ['CAP_SYS_TIME'] } })), [
    'spec.containers[0].securityContext.capabilities.add: Invalid value: "CAP_SYS_TIME": capability may not be added',
  ]);
  const mutated = providerOf(policy).mutate(withContext({ capabilities: { drop: ['CAP_ALL'] } }));
  t.strictSame(mutated.spec?.containers[0]?.securityContext?.capabilities, { drop: ['ALL', 'CAP_ALL'] });
  t.end();
});

t.test('the place of a refusal in the file', t => {
  const text = [
    'apiVersion: v1',
    'kind: Pod',
    'metadata: {name: p}',
    'spec:',
    '  hostPID: true',
    '  securityContext: {runAsUser: 405}',
    '  containers:',
    '  - name: c',
    '    image: i',
    '    ports:',
    '    - containerPort: 80',
    '      hostPort: 9000',
  ].join('\n');
  const [loaded] = load(text).pods;
  const policy = policyOf({ runAsUser: { rule: 'MustRunAs', ranges: [{ min: 2, max: 2 }] } });
  const errors = providerOf(policy).validate(loaded?.pod ?? {});
  t.strictSame(
    errors.map(({ manifestPath }) => loaded?.source.locate(manifestPath).line),
    [5, 6, 12],
  );
  t.end();
});
