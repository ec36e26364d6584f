import { readFileSync } from 'node:fs';
import { EMPTY_CONFIG, type ImageConfig } from '../../src/image/config.ts';
import { type Image, layerIds } from '../../src/image/store.ts';
import { parseUsers } from '../../src/image/users.ts';
import type { Arch } from '../../src/linux/arch.ts';
import { CAPABILITIES } from '../../src/linux/capabilities.ts';
import type { HostFacts } from '../../src/oci/host-facts.ts';
import type { SeccompTools } from '../../src/oci/seccomp/generate.ts';
import { networkSettings } from '../../src/runtime/pod-network.ts';
import type { Machine } from '../../src/runtime/stages.ts';

/** A machine that no test depends on: pure cgroup v2, every capability, two devices. */
const HOST: HostFacts = {
  capabilities: CAPABILITIES,
  thermalThrottleCpus: [0, 1],
  maxOpenFiles: 1048576,
  hostname: 'node-1',
  kernelRelease: '6.12.0',
  hostIP: '192.0.2.1',
  etcHosts: '127.0.0.1 localhost\n192.0.2.1 node-1\n',
  resolvConf: 'nameserver 192.0.2.53\nsearch example.org\n',
  devices: [
    { type: 'c', path: '/dev/kmsg', major: 1, minor: 11, fileMode: 0o644, uid: 0, gid: 0 },
    { type: 'b', path: '/dev/vda', major: 254, minor: 0, fileMode: 0o660, uid: 0, gid: 6 },
  ],
  cgroups: {
    mode: 'unified',
    root: '/sys/fs/cgroup',
    isV2: true,
    v2Controllers: ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids'],
    v1: {},
  },
  modules: { appArmor: false, seLinux: false, appArmorProfiles: [] },
  cpus: 8,
  memory: 16 * 2 ** 30,
  hugepageSizes: [],
  minOomScoreAdj: -1000,
  cgroupMounts: [{ destination: '/sys/fs/cgroup', type: 'cgroup2', source: 'cgroup', options: [] }],
};

const USERS = parseUsers(
  'root:x:0:0:root:/root:/bin/sh\nguest:x:405:100:guest:/home/guest:/bin/sh\n',
  'root:x:0:\nusers:x:100:\ngames:x:20:guest\n',
);

const image = (name: string, config: Partial<ImageConfig>): Image => ({
  reference: `localhost/${name}:latest`,
  id: name.padEnd(12, '0'),
  config: { ...EMPTY_CONFIG, ...config },
  users: USERS,
  size: 0,
  created: '2026-01-01T00:00:00Z',
});

const IMAGES = [
  image('busybox', { Cmd: ['sh'] }),
  image('app', {
    User: 'guest',
    Env: ['PATH=/app/bin:/bin', 'MODE=image'],
    Entrypoint: ['/app/bin/app'],
    Cmd: ['--serve'],
    WorkingDir: '/app',
  }),
  {
    ...image('database', { Cmd: ['db'], Volumes: ['/var/lib/db', 'cache/', '/etc/hosts', '/spare/../logs'] }),
    layers: ['lower0000000', 'upper0000000'],
  },
];

/** Profiles of test/profiles. */
const readProfile: SeccompTools['readProfile'] = name => {
  const path = `test/profiles/${name}`;
  return { path, text: readFileSync(path, 'utf8') };
};

export const machineOf = (arch: Arch): Machine => ({
  host: HOST,
  images: {
    get: reference => IMAGES.find(({ reference: known }) => known === `${reference}:latest`),
    layers: image =>
      layerIds(image)
        .map(id => `images/roots/${id}/rootfs`)
        .reverse(),
  },
  arch,
  settings: {},
  network: networkSettings({}, ''),
  seccomp: { readProfile },
});
