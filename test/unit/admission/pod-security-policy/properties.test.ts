import fc from 'fast-check';
import t from 'tap';
import { admitByPolicies, changesOf } from '../../../../src/admission/pod-security-policy/admit.ts';
import type { DefaultedPolicy } from '../../../../src/admission/pod-security-policy/policy.ts';
import { formatPolicyErrors } from '../../../../src/admission/pod-security-policy/policy-error.ts';
import { createProvider } from '../../../../src/admission/pod-security-policy/provider.ts';
import { setDefaults } from '../../../../src/kube/defaults.ts';
import type { Container, Pod, PodSecurityPolicySpec, PodSpec } from '../../../../src/kube/types.generated.ts';
import { podOf } from '../../kube/pods.ts';
import { freeze, policyOf } from './policies.ts';

/** Small sets of values, so that policies and pods often meet. */
const id = fc.integer({ min: 0, max: 4 });
const ranges = fc.array(
  fc.tuple(id, id).map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) })),
  { maxLength: 2 },
);
const groups = fc.record({ rule: fc.constantFrom('MustRunAs', 'MayRunAs', 'RunAsAny'), ranges });
const names = fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'ALL'), { maxLength: 3 });
const level = fc.record({ level: fc.constantFrom('s0:c1,c2', 's0:c2,c1', 's1') });
const profile = fc.constantFrom('runtime/default', 'docker/default', 'unconfined', 'localhost/a', '');
const field = fc.oneof(
  fc.constantFrom({ type: 'RuntimeDefault' }, { type: 'Unconfined' }),
  fc.constant({ type: 'Localhost', localhostProfile: 'a' }),
);

/** At most `max` of the fields: who says everything is never let in. */
function some<Fields extends object>(
  max: number,
  fields: { readonly [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> },
): fc.Arbitrary<Partial<Fields>> {
  const names = Object.keys(fields);
  return fc
    .tuple(fc.subarray(names, { maxLength: Math.min(max, names.length) }), fc.record(fields))
    .map(
      ([chosen, all]) =>
        Object.fromEntries(Object.entries(all).filter(([name]) => chosen.includes(name))) as Partial<Fields>,
    );
}

const spec: fc.Arbitrary<Partial<PodSecurityPolicySpec>> = some(3, {
  allowPrivilegeEscalation: fc.boolean(),
  allowedCapabilities: names,
  allowedHostPaths: fc.constantFrom([], [{ pathPrefix: '/a', readOnly: true }], [{ pathPrefix: '/' }]),
  allowedProcMountTypes: fc.constantFrom([], ['Default'], ['Unmasked']),
  allowedUnsafeSysctls: fc.constantFrom([], ['kernel.*']),
  defaultAddCapabilities: names,
  defaultAllowPrivilegeEscalation: fc.boolean(),
  forbiddenSysctls: fc.constantFrom([], ['*']),
  fsGroup: groups,
  hostNetwork: fc.boolean(),
  hostPorts: fc.constantFrom([], [{ min: 1, max: 100 }]),
  privileged: fc.boolean(),
  readOnlyRootFilesystem: fc.boolean(),
  requiredDropCapabilities: names,
  runAsGroup: groups,
  runAsUser: fc.record({ rule: fc.constantFrom('MustRunAs', 'MustRunAsNonRoot', 'RunAsAny'), ranges }),
  runtimeClass: fc.constantFrom(
    { allowedRuntimeClassNames: ['*'], defaultRuntimeClassName: 'kata' },
    { allowedRuntimeClassNames: [] },
  ),
  seLinux: fc.record({ rule: fc.constantFrom('MustRunAs', 'RunAsAny'), seLinuxOptions: level }),
  supplementalGroups: groups,
  volumes: fc.constantFrom(['*'], ['hostPath'], ['secret'], []),
});
const policyAnnotations = fc.dictionary(
  fc.constantFrom(
    ...['seccomp.security.alpha', 'apparmor.security.beta'].flatMap(prefix =>
      ['allowedProfileNames', 'defaultProfileName'].map(name => `${prefix}.kubernetes.io/${name}`),
    ),
  ),
  fc.constantFrom('runtime/default', 'docker/default,localhost/a', '*', ''),
  { maxKeys: 1 },
);
const policies = fc.uniqueArray(
  fc
    .tuple(fc.constantFrom('a', 'b', 'c', 'd'), spec, policyAnnotations)
    .map(([name, spec, annotations]): DefaultedPolicy => policyOf(spec, { name, annotations })),
  { selector: policy => policy.metadata.name, minLength: 1, maxLength: 4 },
);

const securityContext = some(2, {
  allowPrivilegeEscalation: fc.boolean(),
  appArmorProfile: field,
  capabilities: some(2, { add: names, drop: names }),
  privileged: fc.boolean(),
  procMount: fc.constantFrom('Default', 'Unmasked'),
  readOnlyRootFilesystem: fc.boolean(),
  runAsGroup: id,
  runAsNonRoot: fc.boolean(),
  runAsUser: id,
  seLinuxOptions: level,
  seccompProfile: field,
});
const container = (name: string): fc.Arbitrary<Container> =>
  some(2, {
    securityContext,
    ports: fc.constantFrom([{ containerPort: 80 }], [{ containerPort: 8080 }]),
    volumeMounts: fc.constantFrom([], [{ name: 'v', mountPath: '/v' }]),
  }).map(rest => ({ name, ...rest }));
const podSpec: fc.Arbitrary<PodSpec> = fc
  .tuple(
    fc.tuple(container('x'), container('y')),
    some(2, {
      initContainers: fc.tuple(container('z')),
      ephemeralContainers: fc.tuple(container('e')),
      hostNetwork: fc.boolean(),
      runtimeClassName: fc.constantFrom('kata', 'runc'),
      securityContext: some(2, {
        appArmorProfile: field,
        fsGroup: id,
        runAsGroup: id,
        runAsNonRoot: fc.boolean(),
        runAsUser: id,
        seLinuxOptions: level,
        seccompProfile: field,
        supplementalGroups: fc.array(id, { maxLength: 2 }),
        sysctls: fc.constantFrom([], [{ name: 'kernel.sem', value: '1' }]),
      }),
      volumes: fc.constantFrom(
        [],
        [{ name: 'v', hostPath: { path: '/a/b' } }],
        [{ name: 'v', emptyDir: {} }],
      ),
    }),
  )
  .map(([containers, rest]) => ({ containers, ...rest }));
const annotations = fc.dictionary(
  fc.constantFrom(
    'seccomp.security.alpha.kubernetes.io/pod',
    'container.seccomp.security.alpha.kubernetes.io/x',
    'container.apparmor.security.beta.kubernetes.io/x',
  ),
  profile,
  { maxKeys: 2 },
);
const pods: fc.Arbitrary<Pod> = fc
  .tuple(podSpec, annotations)
  .map(([spec, annotations]) => freeze(setDefaults(podOf(spec, { annotations }))));

const providersOf = (all: readonly DefaultedPolicy[]) =>
  all.map(createProvider).flatMap(provider => ('error' in provider ? [] : [provider]));
const RUNS = { numRuns: 1000 };

t.test('a pod that is let in is as its policy wants it, and the policy may be used', t => {
  let [admitted, mutated] = [0, 0];
  fc.assert(
    fc.property(pods, policies, fc.subarray(['a', 'b', 'c', 'd']), (pod, all, usable) => {
      const result = admitByPolicies(pod, all, name => usable.includes(name));
      if ('denial' in result) return result.denial.startsWith('PodSecurityPolicy: ');
      admitted++;
      if (result.isMutated) mutated++;
      const [provider] = providersOf(all.filter(({ metadata }) => metadata.name === result.policy));
      const left = provider?.validate(result.pod) ?? [];
      if (left.length > 0) throw new Error(formatPolicyErrors(left));
      return usable.includes(result.policy);
    }),
    RUNS,
  );
  t.ok(admitted > 50 && mutated > 10, `${admitted} were let in, ${mutated} of them changed`);
  t.end();
});

t.test('mutation: once is enough, what is set stays', t => {
  let changes = 0;
  fc.assert(
    fc.property(pods, policies, (pod, all) => {
      for (const provider of providersOf(all)) {
        const mutated = provider.mutate(pod);
        if (provider.mutate(mutated) !== mutated) return false;
        for (const { before, after } of changesOf(pod, mutated)) {
          changes++;
          // Lists of capabilities grow; an empty annotation is none.
          const grows =
            Array.isArray(before) && Array.isArray(after) && before.every(item => after.includes(item));
          if (before !== undefined && before !== '' && !grows) return false;
        }
      }
      return true;
    }),
    RUNS,
  );
  t.ok(changes > 1000, `${changes} changes`);
  t.end();
});

t.test('a changed pod is let in only if no policy that may be used takes it as it is', t => {
  let choices = 0;
  fc.assert(
    fc.property(pods, policies, fc.subarray(['a', 'b', 'c', 'd']), (pod, all, usable) => {
      const result = admitByPolicies(pod, all, name => usable.includes(name));
      const takers = providersOf(all).filter(
        ({ name, mutate, validate }) => usable.includes(name) && validate(mutate(pod)).length === 0,
      );
      if (takers.length > 1) choices++;
      const untouched = takers.filter(({ mutate }) => mutate(pod) === pod);
      const [first] = (untouched.length > 0 ? untouched : takers).map(({ name }) => name).sort();
      return first === ('denial' in result ? undefined : result.policy);
    }),
    RUNS,
  );
  t.ok(choices > 10, `${choices} times there was a choice`);
  t.end();
});

t.test('the order in which policies are given does not matter', t => {
  let several = 0;
  fc.assert(
    fc.property(pods, policies, (pod, all) => {
      if (all.length > 1) several++;
      const both = [all, all.toReversed()].map(list =>
        JSON.stringify(admitByPolicies(pod, list, () => true)),
      );
      return both[0] === both[1];
    }),
    { numRuns: 500 },
  );
  t.ok(several > 100, `${several} times there were several`);
  t.end();
});
