import t from 'tap';
import type { Container, Pod } from '../../../src/kube/types.generated.ts';
import type { CapabilityName } from '../../../src/linux/capabilities.ts';
import type { Observation } from '../../../src/oci/audit/observation.ts';
import { type Suggestion, suggest } from '../../../src/oci/audit/suggest.ts';
import { determineEffectiveSecurityContext } from '../../../src/security/effective.ts';

const QUIET: Observation = {
  calls: [],
  capabilities: { used: [], refused: [], lost: 0 },
  written: [],
  isWrittenCut: false,
};
const used = (...names: CapabilityName[]): Observation => ({
  ...QUIET,
  capabilities: { used: names.map(name => ({ name, calls: [] })), refused: [], lost: 0 },
});
const wrote = (path: string, imageEntries = 0, isNew = false): Observation['written'][number] => ({
  path,
  isNew,
  imageEntries,
  names: [],
});

function suggestion(
  observation: Observation,
  securityContext: Container['securityContext'] = {},
  volumes: Pod['spec'] = { containers: [] },
): Suggestion {
  const container: Container = { name: 'main', securityContext };
  const pod: Pod = { metadata: { name: 'p' }, spec: { ...volumes, containers: [container] } };
  const host = { capabilities: [], thermalThrottleCpus: [] };
  const image = { user: '', passwd: [], group: [] };
  const security = determineEffectiveSecurityContext(pod, container, image, host);
  if ('error' in security) throw new Error(security.error);
  return suggest(pod, container, security, observation, 'audit/p.json');
}

t.test('a container that does nothing needs nothing', t => {
  t.strictSame(suggestion(QUIET), {
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      seccompProfile: { type: 'Localhost', localhostProfile: 'audit/p.json' },
    },
    volumeMounts: [],
    volumes: [],
    notes: [],
  });
  t.end();
});

t.test('capabilities that were used stay; privileges may only be gained by who was seen to', t => {
  const rows = [
    [used('CAP_CHOWN'), {}, ['CHOWN'], false],
    [used('CAP_SETUID', 'CAP_SETGID'), {}, ['SETUID', 'SETGID'], undefined],
    [used('CAP_NET_RAW'), { runAsUser: 405 }, ['NET_RAW'], undefined],
    [QUIET, { runAsUser: 405 }, undefined, false],
  ] as const;
  for (const [observation, context, add, escalation] of rows) {
    const { securityContext } = suggestion(observation, context);
    t.strictSame(
      securityContext.capabilities,
      add === undefined ? { drop: ['ALL'] } : { add, drop: ['ALL'] },
    );
    t.equal(securityContext.allowPrivilegeEscalation, escalation);
    t.equal(securityContext.runAsNonRoot, 'runAsUser' in context ? true : undefined);
  }
  t.end();
});

t.test('what was not watched is not suggested', t => {
  for (const capabilities of [{ unwatched: 'no tracefs' }, { used: [], refused: [], lost: 3 }]) {
    const { securityContext, notes } = suggestion({ ...QUIET, capabilities });
    t.equal(securityContext.capabilities, undefined);
    t.equal(securityContext.allowPrivilegeEscalation, undefined);
    t.match(notes, [/capabilities/]);
  }
  t.end();
});

t.test('volumes for what was written to, with names that are free', t => {
  const written = [wrote('/var/cache/App'), wrote('/tmp'), wrote('/data', 0, true)];
  const { securityContext, volumes, volumeMounts } = suggestion(
    { ...QUIET, written },
    {},
    { containers: [], volumes: [{ name: 'tmp' }] },
  );
  t.equal(securityContext.readOnlyRootFilesystem, true);
  t.strictSame(volumeMounts, [
    { name: 'var-cache-app', mountPath: '/var/cache/App' },
    { name: 'tmp-2', mountPath: '/tmp' },
    { name: 'data', mountPath: '/data' },
  ]);
  t.strictSame(
    volumes.map(({ name }) => name),
    ['var-cache-app', 'tmp-2', 'data'],
  );
  t.end();
});

t.test('two directories of one name', t => {
  const { volumes } = suggestion({ ...QUIET, written: [wrote('/a/b'), wrote('/a-b'), wrote('/é')] });
  t.equal(new Set(volumes.map(({ name }) => name)).size, 3);
  t.end();
});

t.test('a directory with files of the image in it, the root, and too much', t => {
  const rows = [
    [
      [wrote('/etc', 12)],
      false,
      /\/etc was written to, and an emptyDir there would hide 12 entries of the image/,
    ],
    [[wrote('/etc', 1)], false, /hide 1 entry of/],
    [[wrote('/')], false, /the root cannot be read-only: it was written to itself/],
    [[], true, /too much was written/],
  ] as const;
  for (const [written, isWrittenCut, note] of rows) {
    const { securityContext, volumes, notes } = suggestion({ ...QUIET, written, isWrittenCut });
    t.equal(securityContext.readOnlyRootFilesystem, undefined);
    t.strictSame(volumes, []);
    t.match(notes, [note]);
  }
  t.end();
});

t.test('what cannot be watched of a privileged container is said', t => {
  t.match(suggestion(QUIET, { privileged: true }).notes, [/devices, unmasked paths/]);
  t.match(suggestion(QUIET, { procMount: 'Unmasked' }).notes, [/procMount/]);
  t.end();
});
