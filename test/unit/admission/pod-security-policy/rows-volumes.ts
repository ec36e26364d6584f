import type { Pod, PodSpec, Volume } from '../../../../src/kube/types.generated.ts';
import { container, pod } from './policies.ts';
import type { Row } from './rows.ts';

export const volumes = (...sources: readonly Omit<Volume, 'name'>[]): Pod =>
  pod({ volumes: sources.map((source, i) => ({ name: `v${i}`, ...source })) });
const mounting = (path: string, readOnly?: boolean, spec: Partial<PodSpec> = {}): Pod =>
  container(
    {
      volumeMounts: [
        { name: 'other', mountPath: '/o' },
        { name: 'v', mountPath: '/m', ...(readOnly === undefined ? {} : { readOnly }) },
      ],
    },
    {
      volumes: [
        { name: 'v', hostPath: { path } },
        { name: 'other', emptyDir: {} },
      ],
      ...spec,
    },
  );

const token = (...extra: NonNullable<NonNullable<Volume['projected']>['sources']>): Pod =>
  volumes({
    projected: {
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
        ...extra,
      ],
    },
  });
const PROJECTED = [
  'spec.volumes[0]: Invalid value: "projected": projected volumes are not allowed to be used',
];

/** Volumes, and runtimeClass. */
export const VOLUMES: readonly Row[] = [
  [
    'volumes',
    { volumes: ['configMap', 'secret', 'emptyDir'] },
    volumes({ configMap: { name: 'm' } }, { secret: { secretName: 's' } }, {}),
    volumes({ emptyDir: {} }, { hostPath: { path: '/' } }, { cephfs: { monitors: [] } }),
    [
      'spec.volumes[1]: Invalid value: "hostPath": hostPath volumes are not allowed to be used',
      'spec.volumes[2]: Invalid value: "cephFS": cephFS volumes are not allowed to be used',
    ],
  ],
  [
    'volumes',
    { volumes: [] },
    pod(),
    volumes({}),
    ['spec.volumes[0]: Invalid value: "emptyDir": emptyDir volumes are not allowed to be used'],
  ],
  // A type that no policy can name: only a policy that allows all has it.
  [
    'volumes',
    { volumes: ['cephFS'] },
    volumes({ cephfs: { monitors: [] } }),
    volumes({ image: { reference: 'i' } }),
    ['spec.volumes[0]: Invalid value: "image": image volumes are not allowed to be used'],
  ],
  ['volumes', { volumes: ['secret'] }, token(), token({ secret: { name: 's' } }), PROJECTED],
  [
    'volumes',
    { volumes: ['secret'] },
    volumes({ projected: {} }),
    token({ serviceAccountToken: { path: 'token', audience: 'vault' } }),
    PROJECTED,
  ],
  ['volumes', { volumes: ['secret'] }, token(), token({ serviceAccountToken: { path: 'other' } }), PROJECTED],
  ['volumes', { volumes: ['secret'] }, token(), token({ configMap: { name: 'mine' } }), PROJECTED],
  [
    'volumes',
    { volumes: ['secret'] },
    token(),
    token({ downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.name' } }] } }),
    PROJECTED,
  ],
  ['volumes', { volumes: ['emptyDir'] }, volumes({}), token(), PROJECTED],
  [
    'allowedHostPaths',
    { allowedHostPaths: [{ pathPrefix: '/foo/' }, { pathPrefix: '/srv' }] },
    volumes(
      { hostPath: { path: '/foo' } },
      { hostPath: { path: '/foo/bar/' } },
      { hostPath: { path: '/srv/' } },
    ),
    volumes({ hostPath: { path: '/etc' } }, { hostPath: { path: '/foo' } }, { hostPath: { path: '/food' } }),
    [
      'spec.volumes[0].hostPath.pathPrefix: Invalid value: "/etc": is not allowed to be used',
      'spec.volumes[2].hostPath.pathPrefix: Invalid value: "/food": is not allowed to be used',
    ],
  ],
  [
    'allowedHostPaths',
    { allowedHostPaths: [{ pathPrefix: '/', readOnly: true }] },
    mounting('/etc', true),
    mounting('/', undefined, {
      initContainers: [
        { name: 'i', image: 'i', volumeMounts: [{ name: 'v', mountPath: '/m', readOnly: false }] },
      ],
    }),
    [
      'spec.initContainers[0].volumeMounts[0].readOnly: Invalid value: false: must be read-only',
      'spec.containers[0].volumeMounts[1].readOnly: Invalid value: false: must be read-only',
    ],
  ],
  // A writable prefix is better than a longer one that is not.
  [
    'allowedHostPaths',
    { allowedHostPaths: [{ pathPrefix: '/foo/bar', readOnly: true }, { pathPrefix: '/foo' }] },
    mounting('/foo/bar'),
    mounting('/bar'),
    ['spec.volumes[0].hostPath.pathPrefix: Invalid value: "/bar": is not allowed to be used'],
  ],
  [
    'allowedFlexVolumes',
    { allowedFlexVolumes: [{ driver: 'example/lvm' }] },
    volumes({ flexVolume: { driver: 'example/lvm' } }),
    volumes({ flexVolume: { driver: 'example/cifs' } }),
    ['spec.volumes[0].driver: Invalid value: "example/cifs": Flexvolume driver is not allowed to be used'],
  ],
  [
    'allowedCSIDrivers',
    { allowedCSIDrivers: [{ name: 'a.example' }] },
    volumes({ csi: { driver: 'a.example' } }),
    volumes({ csi: { driver: 'b.example' } }),
    ['spec.volumes[0].csi.driver: Invalid value: "b.example": Inline CSI driver is not allowed to be used'],
  ],
  [
    'runtimeClass',
    { runtimeClass: { allowedRuntimeClassNames: ['gvisor', 'kata'] } },
    pod({ runtimeClassName: 'kata' }),
    pod({ runtimeClassName: 'runc' }),
    ['spec.runtimeClassName: Invalid value: "runc"'],
  ],
  [
    'runtimeClass',
    { runtimeClass: { allowedRuntimeClassNames: [] } },
    pod(),
    pod({ runtimeClassName: 'runc' }),
    ['spec.runtimeClassName: Invalid value: "runc"'],
  ],
];
