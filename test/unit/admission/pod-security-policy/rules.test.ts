import t from 'tap';
import { DEFINITIONS } from '../../../../src/kube/schema.generated.ts';
import { freeze, pod, policyOf, refusals, withContext } from './policies.ts';
import type { Row } from './rows.ts';
import { CONTAINERS } from './rows-containers.ts';
import { HOST } from './rows-host.ts';
import { LABELS, SECCOMP, USERS } from './rows-identity.ts';
import { VOLUMES, volumes } from './rows-volumes.ts';

const ROWS: readonly Row[] = [...USERS, ...LABELS, ...SECCOMP, ...HOST, ...VOLUMES, ...CONTAINERS];

for (const [field, { annotations, ...spec }, accepted, refused, texts] of ROWS)
  t.test(`${field}: ${JSON.stringify(annotations ?? spec)}`, t => {
    const policy = policyOf(spec, annotations === undefined ? {} : { annotations });
    t.strictSame(refusals(policy, freeze(accepted)), []);
    t.strictSame(refusals(policy, freeze(refused)), texts);
    t.end();
  });

t.test('every field of a policy has a pod that it accepts and one that it refuses', t => {
  const fields = (DEFINITIONS.PodSecurityPolicySpec ?? '')
    .split(' ')
    .map(field => field.replace(/!?:.*$/, ''));
  const covered = new Set(ROWS.filter(([field, spec]) => field in spec).map(([field]) => field as string));
  t.ok(fields.length > 20);
  t.strictSame(
    fields.filter(field => !covered.has(field)),
    [],
  );
  const annotations = new Set(ROWS.flatMap(([, spec]) => Object.keys(spec.annotations ?? {})));
  t.equal(annotations.size, 4, 'seccomp and AppArmor: allowed profiles, default profile');
  t.end();
});

t.test('what is not in a row: a policy that says nothing of it allows it', t => {
  const policy = policyOf();
  t.strictSame(refusals(policy, pod({ runtimeClassName: 'any' })), []);
  t.strictSame(refusals(policy, withContext({ allowPrivilegeEscalation: true })), []);
  t.strictSame(refusals(policy, volumes({ hostPath: { path: '/' } }, { flexVolume: { driver: 'any' } })), []);
  t.strictSame(refusals(policy, volumes({ image: { reference: 'i' } }, { csi: { driver: 'any' } })), []);
  t.strictSame(
    refusals(
      policy,
      pod({ hostUsers: false }, { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' }),
    ),
    [],
  );
  t.end();
});

t.test('every kind of container is looked at, in the API server’s order', t => {
  const bad = { name: 'c', image: 'i', securityContext: { privileged: true } };
  const found = refusals(
    policyOf(),
    pod({
      containers: [bad, bad],
      initContainers: [bad],
      ephemeralContainers: [{ ...bad, targetContainerName: 'c' }],
    }),
  );
  t.strictSame(
    found.map(text => text.split(':')[0]),
    ['initContainers[0]', 'containers[0]', 'containers[1]', 'ephemeralContainers[0]'].map(
      path => `spec.${path}.securityContext.privileged`,
    ),
  );
  t.end();
});
