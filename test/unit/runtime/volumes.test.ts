import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ImageStore } from '../../../src/image/store.ts';
import type { PodObjects } from '../../../src/kube/environment.ts';
import type { PodSpec, Volume } from '../../../src/kube/types.generated.ts';
import { PodPaths, rootsAt } from '../../../src/oci/pod-paths.ts';
import { ownByGroup } from '../../../src/runtime/volume-ownership.ts';
import { isMemory } from '../../../src/runtime/volume-places.ts';
import { fillVolumes, prepareVolumes, tmpfsOptions } from '../../../src/runtime/volumes.ts';
import { podOf } from '../kube/pods.ts';

const OBJECTS: PodObjects = {
  configMaps: [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { a: 'one', b: 'two' } },
  ],
  secrets: [{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'token' }, data: { key: 'AP8K' } }],
};
const SOURCES = { capacity: { cpus: 4, memory: 1 << 30 }, images: new ImageStore('/nonexistent') };
const needsRoot = process.geteuid?.() === 0 ? false : 'needs root';

/** Makes and fills the volumes of a pod, under a umask that would take most bits away; gives their directories. */
function volumesOf(
  t: Pick<Test, 'testdir'>,
  volumes: readonly Volume[],
  spec: Partial<PodSpec> = {},
): (name: string) => string {
  const pod = podOf({ volumes: [...volumes], ...spec });
  const paths = new PodPaths(rootsAt(t.testdir()), 'uid');
  const umask = process.umask(0o077);
  try {
    const prepared = prepareVolumes(pod, OBJECTS, paths, SOURCES);
    fillVolumes(pod, prepared, path => path);
    return name => prepared.get(name)?.source ?? '';
  } finally {
    process.umask(umask);
  }
}

const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

t.test('an emptyDir is world-writable, as a kubelet makes it', t => {
  const directory = volumesOf(t, [{ name: 'v', emptyDir: {} }])('v');
  t.equal(mode(directory), '777');
  t.same(readdirSync(directory), []);
  t.end();
});

t.test('a configMap is files of 0644, through links that can be replaced at once', t => {
  const directory = volumesOf(t, [{ name: 'v', configMap: { name: 'settings' } }])('v');
  t.equal(mode(directory), '777');
  t.same(
    readdirSync(directory)
      .filter(name => !name.startsWith('..'))
      .sort(),
    ['a', 'b'],
  );
  t.equal(readlinkSync(join(directory, 'a')), '..data/a');
  t.match(readlinkSync(join(directory, '..data')), /^\.\.\d{4}_\d\d_\d\d/);
  t.equal(mode(join(directory, '..data')), '755');
  t.equal(readFileSync(join(directory, 'a'), 'utf8'), 'one');
  t.equal(mode(join(directory, 'a')), '644');
  t.end();
});

t.test('modes of a volume and of its items; directories of a path', t => {
  const items = [
    { key: 'a', path: 'deep/er/file', mode: 0o400 },
    { key: 'b', path: 'deep/other' },
  ];
  const directory = volumesOf(t, [{ name: 'v', configMap: { name: 'settings', defaultMode: 0o751, items } }])(
    'v',
  );
  t.equal(mode(join(directory, 'deep')), '755');
  t.equal(mode(join(directory, 'deep/er')), '755');
  t.equal(mode(join(directory, 'deep/er/file')), '400');
  t.equal(mode(join(directory, 'deep/other')), '751');
  t.equal(readlinkSync(join(directory, 'deep')), '..data/deep');
  t.end();
});

t.test('a secret is bytes, in memory', t => {
  const volume: Volume = { name: 'v', secret: { secretName: 'token', defaultMode: 0o440 } };
  const directory = volumesOf(t, [volume])('v');
  t.ok(isMemory(volume));
  t.match(directory, '/run/');
  t.same(readFileSync(join(directory, 'key')), Buffer.from([0, 255, 10]));
  t.equal(mode(join(directory, 'key')), '440');
  t.end();
});

t.test('what lives in memory, and how large it may be', t => {
  t.equal(isMemory({ name: 'v', emptyDir: {} }), false);
  t.equal(isMemory({ name: 'v', configMap: { name: 'settings' } }), false);
  t.equal(isMemory({ name: 'v', emptyDir: { medium: 'Memory' } }), true);
  const limited = { containers: [{ name: 'a', resources: { limits: { memory: '32Mi' } } }] };
  for (const [sizeLimit, spec, options] of [
    [undefined, { containers: [{ name: 'a' }] }, 'mode=1777'],
    ['64Mi', { containers: [{ name: 'a' }] }, 'mode=1777,size=67108864'],
    ['0', { containers: [{ name: 'a' }] }, 'mode=1777'],
    ['64Mi', limited, 'mode=1777,size=33554432'],
    [undefined, limited, 'mode=1777,size=33554432'],
    [undefined, { containers: [...limited.containers, { name: 'b' }] }, 'mode=1777'],
  ] as const)
    t.equal(tmpfsOptions({ name: 'v', emptyDir: { medium: 'Memory', sizeLimit } as never }, spec), options);
  t.end();
});

t.test('fsGroup owns what podspace makes', { skip: needsRoot }, t => {
  const root = t.testdir({ host: { file: '' } });
  const at = volumesOf(
    t,
    [
      { name: 'empty', emptyDir: {} },
      { name: 'map', configMap: { name: 'settings', defaultMode: 0o400 } },
    ],
    { securityContext: { fsGroup: 555 } },
  );
  t.match(statSync(at('empty')), { uid: 0, gid: 555 });
  t.equal(mode(at('empty')), '2777', 'new files inherit the group');
  t.equal(mode(at('map')), '2777');
  const file = join(at('map'), 'a');
  t.match(statSync(file), { uid: 0, gid: 555 });
  t.equal(mode(file), '440', 'readable, and no more: the volume is read-only');
  t.equal(lstatSync(file).gid, 555, 'the link itself');
  t.equal(statSync(join(root)).gid, 0);
  t.end();
});

t.test('hostPath: what must be there, and what is made', t => {
  const root = t.testdir({ dir: {}, file: '' });
  const make = (path: string, type?: string): string => {
    const volume: Volume = {
      name: 'v',
      hostPath: { path: join(root, path), ...(type === undefined ? {} : { type }) },
    };
    const paths = new PodPaths(rootsAt(join(root, 'state')), 'uid');
    prepareVolumes(podOf({ volumes: [volume] }), OBJECTS, paths, SOURCES);
    return join(root, path);
  };
  const fails: readonly (readonly [path: string, type: string, what: string])[] = [
    ['file', 'Directory', 'a directory'],
    ['nosuch', 'Directory', 'a directory'],
    ['file', 'DirectoryOrCreate', 'a directory'],
    ['dir', 'File', 'a file'],
    ['nosuch', 'File', 'a file'],
    ['dir', 'FileOrCreate', 'a file'],
    ['file', 'Socket', 'a socket file'],
    ['file', 'CharDevice', 'a character device'],
    ['nosuch', 'BlockDevice', 'a block device'],
  ];
  for (const [path, type, what] of fails)
    t.throws(
      () => make(path, type),
      {
        name: 'VolumeError',
        message: `MountVolume.SetUp failed for volume "v" : hostPath type check failed: ${join(root, path)} is not ${what}`,
      },
      `${path} as ${type}`,
    );
  t.notOk(existsSync(join(root, 'nosuch')), 'a check makes nothing');
  const umask = process.umask(0o077);
  try {
    t.ok(statSync(make('new/dir', 'DirectoryOrCreate')).isDirectory());
    t.equal(mode(join(root, 'new/dir')), '755');
    t.ok(statSync(make('untyped')).isDirectory(), 'without a type the runtime makes a directory');
    t.equal(mode(join(root, 'untyped')), '755');
    t.ok(statSync(make('new/file', 'FileOrCreate')).isFile());
    t.equal(mode(join(root, 'new/file')), '644');
  } finally {
    process.umask(umask);
  }
  for (const [path, type] of [
    ['dir', 'Directory'],
    ['file', 'File'],
    ['file', ''],
    ['dir', ''],
  ] as const)
    t.doesNotThrow(() => make(path, type), `${path} as ${type}`);
  t.throws(() => make('no/parent', 'FileOrCreate'), { name: 'VolumeError', message: /no\/parent/ });
  t.end();
});

t.test('downwardAPI and projected are in memory', t => {
  t.ok(isMemory({ name: 'v', downwardAPI: {} }));
  t.ok(isMemory({ name: 'v', projected: {} }));
  t.end();
});

t.test('fsGroup changes groups only, and follows no link', { skip: needsRoot }, t => {
  const root = t.testdir({
    volume: { file: '', deep: { er: '' }, out: t.fixture('symlink', '../outside') },
    outside: { victim: '' },
  });
  const volume = join(root, 'volume');
  chmodSync(join(root, 'outside'), 0o700);
  chmodSync(join(root, 'outside/victim'), 0o4600);
  chownSync(join(volume, 'file'), 7, 8);
  chmodSync(join(volume, 'file'), 0o4700);
  symlinkSync('../../outside/victim', join(volume, 'deep/link'));
  writeFileSync(Buffer.concat([Buffer.from(`${volume}/`), Buffer.from([0xff, 0x80])]), '');
  ownByGroup(volume, 555, false);
  t.match(statSync(join(volume, 'file')), { uid: 7, gid: 555 });
  t.equal(mode(join(volume, 'file')), '4760');
  t.equal(lstatSync(join(volume, 'deep/link')).gid, 555, 'the link itself');
  t.equal(lstatSync(join(volume, 'out')).gid, 555);
  t.match(statSync(join(root, 'outside')), { uid: 0, gid: 0 });
  t.match(statSync(join(root, 'outside/victim')), { uid: 0, gid: 0 });
  t.equal(mode(join(root, 'outside/victim')), '4600');
  t.end();
});

t.test(
  'fsGroupChangePolicy OnRootMismatch: a root that is right tells that all is',
  { skip: needsRoot },
  t => {
    const volume = t.testdir({ file: '' });
    ownByGroup(volume, 555, false);
    chownSync(join(volume, 'file'), 0, 0);
    ownByGroup(volume, 555, false, true);
    t.equal(statSync(join(volume, 'file')).gid, 0, 'not looked at');
    chmodSync(volume, 0o2750);
    ownByGroup(volume, 555, false, true);
    t.equal(statSync(join(volume, 'file')).gid, 555, 'the root’s group could not write');
    t.end();
  },
);

t.test('objects and keys that are not there', t => {
  const fails: readonly (readonly [volume: Omit<Volume, 'name'>, message: string])[] = [
    [{ configMap: { name: 'nosuch' } }, 'configmap "nosuch" not found'],
    [{ secret: { secretName: 'nosuch' } }, 'secret "nosuch" not found'],
    [
      { configMap: { name: 'settings', items: [{ key: 'z', path: 'z' }] } },
      'configmap references non-existent config key: z',
    ],
    [
      { secret: { secretName: 'token', items: [{ key: 'z', path: 'z' }] } },
      'references non-existent secret key: z',
    ],
  ];
  for (const [volume, message] of fails)
    t.throws(() => volumesOf(t, [{ name: 'v', ...volume }]), {
      message: `MountVolume.SetUp failed for volume "v" : ${message}`,
    });
  const optional = volumesOf(t, [{ name: 'v', configMap: { name: 'nosuch', optional: true } }])('v');
  t.same(
    readdirSync(optional).filter(name => !name.startsWith('..')),
    [],
  );
  mkdirSync(join(optional, 'x'));
  t.end();
});
