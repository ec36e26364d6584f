import t from 'tap';
import { isRoot, needsRoot, probePod, runPod } from './harness.ts';
import { importImages, ownState } from './with-policies.ts';

const state = ownState(t.testdir({}));
const { root } = state;

t.before(() => {
  if (isRoot) importImages(state);
});

const SCRIPTED = { image: 'localhost/busybox', name: 'c' };
const objects = [
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { a: 'one' } },
  { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, stringData: { token: 's3cret' } },
];
const volumes = [
  {
    name: 'all',
    projected: {
      defaultMode: 0o440,
      sources: [
        { configMap: { name: 'cm' } },
        { secret: { name: 's', items: [{ key: 'token', path: 'keys/token', mode: 0o400 }] } },
        { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        { secret: { name: 'none', optional: true } },
      ],
    },
  },
  {
    name: 'about',
    downwardAPI: {
      items: [
        { path: 'name', fieldRef: { fieldPath: 'metadata.name' } },
        {
          path: 'memory',
          resourceFieldRef: { containerName: 'c', resource: 'limits.memory', divisor: '1Mi' },
        },
      ],
    },
  },
];

function run(script: string, mounts: readonly object[], spec: object = {}) {
  const container = { ...SCRIPTED, command: ['sh', '-c', script], volumeMounts: mounts };
  const limited = { ...container, resources: { limits: { memory: '32Mi' } } };
  const pod = probePod({ volumes, containers: [limited], ...spec });
  const labelled = { ...pod, metadata: { ...pod.metadata, name: 'shop', labels: { app: 'shop' } } };
  return runPod({ apiVersion: 'v1', kind: 'List', items: [...objects, labelled] }, '--root', root);
}
const mounts = [
  { name: 'all', mountPath: '/all' },
  { name: 'about', mountPath: '/about' },
];

t.test('downwardAPI and projected: files, modes, links, in memory, read-only', { skip: needsRoot }, t => {
  const script = `cat /all/a /all/keys/token /all/labels; echo; cat /about/name /about/memory; echo
    stat -L -c '%a %n' /all/a /all/keys /all/keys/token /about/name; readlink /all/keys
    stat -f -c %T /all /about; stat -c %a /all; (touch /all/x) 2>&1 | grep -o 'Read-only file system'`;
  t.equal(
    run(script, mounts).containers[0]?.stdout,
    'ones3cretapp="shop"\nshop32\n440 /all/a\n755 /all/keys\n400 /all/keys/token\n644 /about/name\n..data/keys\ntmpfs\ntmpfs\n1777\nRead-only file system\n',
  );
  t.end();
});

t.test('with a user namespace and fsGroup they are the group’s to read', { skip: needsRoot }, t => {
  const script = `id -u; stat -L -c '%a %u:%g %n' /all/a /all/keys/token; cat /all/a /all/keys/token /etc/token`;
  const result = run(script, [...mounts, { name: 'all', mountPath: '/etc/token', subPath: 'keys/token' }], {
    hostUsers: false,
    securityContext: { runAsUser: 405, fsGroup: 555 },
  });
  t.equal(
    result.containers[0]?.stdout,
    '405\n440 0:555 /all/a\n440 0:555 /all/keys/token\nones3crets3cret',
    result.containers[0]?.stderr ?? '',
  );
  t.end();
});

t.test('sources that cannot be together, and keys that lead out', { skip: needsRoot }, t => {
  const failure = (data: object, items?: object): string | undefined => {
    const sources = [{ configMap: { name: 'bad', ...items } }];
    const pod = probePod(
      { volumes: [{ name: 'v', projected: { sources } }] },
      { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
    );
    const bad = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'bad' }, data };
    const { phase, reason, message } = runPod(
      { apiVersion: 'v1', kind: 'List', items: [bad, pod] },
      '--root',
      root,
    );
    t.same([phase, reason], ['Pending', 'FailedMount']);
    return message;
  };
  t.equal(
    failure({ '../../../escape': 'x' }),
    `MountVolume.SetUp failed for volume "v" : invalid path: must not contain '..': ../../../escape`,
  );
  const items = [
    { key: 'k', path: 'a' },
    { key: 'k', path: 'a/b' },
  ];
  t.match(failure({ k: 'x' }, { items }), /^MountVolume.SetUp failed for volume "v" : .*/);
  t.end();
});

t.test('nothing is left behind', { skip: needsRoot }, t => {
  t.same(state.left(), []);
  t.end();
});
