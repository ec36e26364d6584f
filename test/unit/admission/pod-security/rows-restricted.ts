import type { Volume } from '../../../../src/kube/types.generated.ts';
import { hardened, podOf, podWith } from './hardened.ts';
import type { Rows } from './rows.ts';

const WINDOWS = { os: { name: 'windows' } };
const LINUX = { os: { name: 'linux' } };

const ESCALATION = 'must set securityContext.allowPrivilegeEscalation=false';

const allowPrivilegeEscalation: readonly Rows[] = [
  {
    id: 'allowPrivilegeEscalation',
    since: [8, 25],
    reason: 'allowPrivilegeEscalation != false',
    accepted: [podOf(), podOf(LINUX)],
    rejected: [
      [podWith({ allowPrivilegeEscalation: undefined }), `container "a" ${ESCALATION}`],
      [podWith({ allowPrivilegeEscalation: true }, LINUX), `container "a" ${ESCALATION}`],
      [
        podOf({
          containers: [
            hardened('a', { allowPrivilegeEscalation: undefined }),
            hardened('b', { allowPrivilegeEscalation: true }),
            hardened('c'),
          ],
        }),
        `containers "a", "b" ${ESCALATION}`,
      ],
    ],
  },
  {
    id: 'allowPrivilegeEscalation',
    since: [8],
    reason: 'allowPrivilegeEscalation != false',
    rejected: [[podWith({ allowPrivilegeEscalation: undefined }, WINDOWS), `container "a" ${ESCALATION}`]],
  },
  {
    id: 'allowPrivilegeEscalation',
    since: [25],
    reason: 'allowPrivilegeEscalation != false',
    accepted: [podWith({ allowPrivilegeEscalation: undefined }, WINDOWS)],
  },
];

const DROP = 'must set securityContext.capabilities.drop=["ALL"]';

const capabilities: readonly Rows[] = [
  {
    id: 'capabilities_restricted',
    since: [22, 25],
    reason: 'unrestricted capabilities',
    accepted: [
      podWith({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }),
      podWith({ capabilities: { drop: ['CHOWN', 'ALL'] } }),
    ],
    rejected: [
      [podWith({ capabilities: undefined }), `container "a" ${DROP}`],
      [podWith({ capabilities: { drop: ['all', 'CAP_ALL'] } }, LINUX), `container "a" ${DROP}`],
      // What the baseline would say is not said as well.
      [
        podWith({ capabilities: { drop: ['ALL'], add: ['SYS_ADMIN'] } }),
        'container "a" must not include "SYS_ADMIN" in securityContext.capabilities.add',
      ],
      [
        podOf({
          containers: [
            hardened('a', { capabilities: { add: ['FOO', 'BAR'] } }),
            hardened('b', { capabilities: { add: ['BAR', 'BAZ'] } }),
            hardened('c', { capabilities: { add: ['NET_BIND_SERVICE', 'CHOWN'], drop: ['ALL', 'FOO'] } }),
          ],
        }),
        `containers "a", "b" ${DROP}; containers "a", "b", "c" must not include "BAR", "BAZ", "CHOWN", "FOO" in securityContext.capabilities.add`,
      ],
    ],
  },
  {
    id: 'capabilities_restricted',
    since: [22],
    reason: 'unrestricted capabilities',
    rejected: [[podWith({ capabilities: undefined }, WINDOWS), `container "a" ${DROP}`]],
  },
  {
    id: 'capabilities_restricted',
    since: [25],
    reason: 'unrestricted capabilities',
    accepted: [podWith({ capabilities: undefined }, WINDOWS)],
  },
];

const procMount: Rows = {
  id: 'procMount_restricted',
  since: [35],
  reason: 'procMount',
  accepted: [podWith({ procMount: 'Default' }, { hostUsers: false })],
  rejected: [undefined, true, false].map(
    hostUsers =>
      [
        podWith({ procMount: 'Unmasked' }, { hostUsers }),
        'container "a" must not set securityContext.procMount to "Unmasked"',
      ] as const,
  ),
};

const ALLOWED_VOLUMES: readonly Volume[] = [
  { name: 'a1', configMap: {} },
  { name: 'a2', csi: { driver: 'd' } },
  { name: 'a3', downwardAPI: {} },
  { name: 'a4', emptyDir: {} },
  { name: 'a5', ephemeral: {} },
  { name: 'a6', image: {} },
  { name: 'a7', persistentVolumeClaim: { claimName: 'c' } },
  { name: 'a8', projected: {} },
  { name: 'a9', secret: {} },
  // An emptyDir by default.
  { name: 'a10' },
];

const RESTRICTED_VOLUMES: readonly Volume[] = [
  { name: 'b1', hostPath: { path: '/' } },
  { name: 'b2', gcePersistentDisk: { pdName: 'p' } },
  { name: 'b3', awsElasticBlockStore: { volumeID: 'v' } },
  { name: 'b4', gitRepo: { repository: 'r' } },
  { name: 'b5', nfs: { server: 's', path: '/' } },
  { name: 'b6', iscsi: { targetPortal: 't', iqn: 'i', lun: 0 } },
  { name: 'b7', glusterfs: { endpoints: 'e', path: '/' } },
  { name: 'b8', rbd: { monitors: [], image: 'i' } },
  { name: 'b9', flexVolume: { driver: 'd' } },
  { name: 'b10', cinder: { volumeID: 'v' } },
  { name: 'b11', cephfs: { monitors: [] } },
  { name: 'b12', flocker: {} },
  { name: 'b13', fc: {} },
  { name: 'b14', azureFile: { secretName: 's', shareName: 's' } },
  { name: 'b15', vsphereVolume: { volumePath: 'v' } },
  { name: 'b16', quobyte: { registry: 'r', volume: 'v' } },
  { name: 'b17', azureDisk: { diskName: 'd', diskURI: 'd' } },
  { name: 'b18', photonPersistentDisk: { pdID: 'p' } },
  { name: 'b19', portworxVolume: { volumeID: 'v' } },
  { name: 'b20', scaleIO: { gateway: 'g', system: 's', secretRef: {} } },
  { name: 'b21', storageos: {} },
];

const restrictedVolumes: Rows = {
  id: 'restrictedVolumes',
  since: [0],
  reason: 'restricted volume types',
  accepted: [podOf({ volumes: ALLOWED_VOLUMES }), podOf({ volumes: [] })],
  rejected: [
    // The baseline's "hostPath volumes" is not said as well.
    [
      podOf({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
      'volume "v" uses restricted volume type "hostPath"',
    ],
    [
      podOf({
        volumes: [
          { name: 'w', nfs: { server: 's', path: '/' } },
          { name: 'v', nfs: { server: 't', path: '/' } },
        ],
      }),
      'volumes "w", "v" use restricted volume type "nfs"',
    ],
    [
      podOf({ volumes: [...ALLOWED_VOLUMES, ...RESTRICTED_VOLUMES] }),
      'volumes "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10", "b11", "b12", "b13", "b14", "b15", "b16", "b17", "b18", "b19", "b20", "b21" use restricted volume types "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "fc", "flexVolume", "flocker", "gcePersistentDisk", "gitRepo", "glusterfs", "hostPath", "iscsi", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume"',
    ],
  ],
};

const UNSET = { securityContext: { runAsNonRoot: undefined } };

const runAsNonRoot: readonly Rows[] = [
  {
    id: 'runAsNonRoot',
    since: [0, 35],
    reason: 'runAsNonRoot != true',
    accepted: [podOf(), podWith({ runAsNonRoot: true }, UNSET), podOf({ ...UNSET, containers: [] })],
    rejected: [
      [podOf(UNSET), 'pod or container "a" must set securityContext.runAsNonRoot=true'],
      [
        podOf({
          ...UNSET,
          hostUsers: true,
          initContainers: [hardened('b')],
          containers: [hardened('a'), hardened('c', { runAsNonRoot: true })],
        }),
        'pod or containers "b", "a" must set securityContext.runAsNonRoot=true',
      ],
      [
        podOf({ securityContext: { runAsNonRoot: false } }),
        'pod must not set securityContext.runAsNonRoot=false',
      ],
      [
        podWith({ runAsNonRoot: true }, { securityContext: { runAsNonRoot: false } }),
        'pod must not set securityContext.runAsNonRoot=false',
      ],
      [
        podWith({ runAsNonRoot: false }, { securityContext: { runAsNonRoot: false } }),
        'pod and container "a" must not set securityContext.runAsNonRoot=false',
      ],
      // Who says nothing is not mentioned then.
      [
        podOf({ ...UNSET, containers: [hardened('a'), hardened('b', { runAsNonRoot: false })] }),
        'container "b" must not set securityContext.runAsNonRoot=false',
      ],
    ],
  },
  {
    id: 'runAsNonRoot',
    since: [0],
    reason: 'runAsNonRoot != true',
    rejected: [
      [
        podOf({ ...UNSET, hostUsers: false }),
        'pod or container "a" must set securityContext.runAsNonRoot=true',
      ],
    ],
  },
  {
    id: 'runAsNonRoot',
    since: [35],
    reason: 'runAsNonRoot != true',
    accepted: [
      podOf({ ...UNSET, hostUsers: false }),
      podOf({ securityContext: { runAsNonRoot: false }, hostUsers: false }),
    ],
  },
];

const runAsUser: readonly Rows[] = [
  {
    id: 'runAsUser',
    since: [23, 35],
    reason: 'runAsUser=0',
    accepted: [podOf(), podWith({ runAsUser: 1000 }, { securityContext: { runAsUser: 1 } })],
    rejected: [
      [podOf({ securityContext: { runAsUser: 0 } }), 'pod must not set runAsUser=0'],
      [
        podWith({ runAsUser: 0 }, { securityContext: { runAsUser: 0 }, hostUsers: true }),
        'pod and container "a" must not set runAsUser=0',
      ],
      [
        podOf({
          securityContext: { runAsUser: 1000 },
          containers: [
            hardened('c', { runAsUser: 0 }),
            hardened('d', { runAsUser: 0 }),
            hardened('e', { runAsUser: 1 }),
          ],
        }),
        'containers "c", "d" must not set runAsUser=0',
      ],
    ],
  },
  {
    id: 'runAsUser',
    since: [23],
    reason: 'runAsUser=0',
    rejected: [[podWith({ runAsUser: 0 }, { hostUsers: false }), 'container "a" must not set runAsUser=0']],
  },
  {
    id: 'runAsUser',
    since: [35],
    reason: 'runAsUser=0',
    accepted: [podWith({ runAsUser: 0 }, { hostUsers: false })],
  },
];

const NO_PROFILE = { securityContext: { seccompProfile: undefined } };
const CONFINED = { seccompProfile: { type: 'Localhost', localhostProfile: 'p' } };
const UNCONFINED = { seccompProfile: { type: 'Unconfined' } };
const TYPES = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"';

const seccompProfile: readonly Rows[] = [
  {
    id: 'seccompProfile_restricted',
    since: [19, 25],
    reason: 'seccompProfile',
    accepted: [podOf({ securityContext: CONFINED }), podWith(CONFINED, NO_PROFILE)],
    rejected: [
      [podOf(NO_PROFILE), `pod or container "a" ${TYPES}`],
      [podOf({ ...NO_PROFILE, ...LINUX }), `pod or container "a" ${TYPES}`],
      [
        podOf({
          ...NO_PROFILE,
          containers: [hardened('a'), hardened('b', CONFINED)],
          ephemeralContainers: [hardened('c')],
        }),
        `pod or containers "a", "c" ${TYPES}`,
      ],
      [
        podWith(UNCONFINED, { securityContext: UNCONFINED }),
        'pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined"',
      ],
      [
        podOf({ ...NO_PROFILE, containers: [hardened('a'), hardened('b', UNCONFINED)] }),
        'container "b" must not set securityContext.seccompProfile.type to "Unconfined"',
      ],
    ],
  },
  {
    id: 'seccompProfile_restricted',
    since: [19],
    reason: 'seccompProfile',
    rejected: [[podOf({ ...NO_PROFILE, ...WINDOWS }), `pod or container "a" ${TYPES}`]],
  },
  {
    id: 'seccompProfile_restricted',
    since: [25],
    reason: 'seccompProfile',
    accepted: [podOf({ ...NO_PROFILE, ...WINDOWS })],
  },
];

export const RESTRICTED_ROWS: readonly Rows[] = [
  ...allowPrivilegeEscalation,
  ...capabilities,
  procMount,
  restrictedVolumes,
  ...runAsNonRoot,
  ...runAsUser,
  ...seccompProfile,
];
