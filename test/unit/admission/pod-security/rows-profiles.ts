import { hardened, podOf, podWith } from './hardened.ts';
import type { Rows } from './rows.ts';

const APPARMOR = 'container.apparmor.security.beta.kubernetes.io';

const appArmor: readonly Rows[] = [
  {
    id: 'appArmorProfile',
    since: [0],
    reason: 'forbidden AppArmor profile',
    accepted: [
      podOf({ securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } }),
      podWith({ appArmorProfile: { type: 'Localhost', localhostProfile: 'p' } }),
      podOf(
        {},
        { [`${APPARMOR}/a`]: 'runtime/default', [`${APPARMOR}/b`]: 'localhost/p', env: 'unconfined' },
      ),
      podOf({}, { [`${APPARMOR}/a`]: '' }),
    ],
    rejected: [
      [
        podOf({ securityContext: { appArmorProfile: { type: 'Unconfined' } } }),
        'pod must not set AppArmor profile type to "Unconfined"',
      ],
      [
        podOf({
          securityContext: { appArmorProfile: { type: 'RuntimeDefault' } },
          initContainers: [hardened('i', { appArmorProfile: { type: 'Unconfined' } })],
        }),
        'container "i" must not set AppArmor profile type to "Unconfined"',
      ],
      [
        podWith(
          { appArmorProfile: { type: 'Unconfined' } },
          { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
        ),
        'pod and container "a" must not set AppArmor profile type to "Unconfined"',
      ],
      [
        podOf({}, { [`${APPARMOR}/a`]: 'unconfined' }),
        `annotation must not set AppArmor profile type to "${APPARMOR}/a="unconfined""`,
      ],
    ],
  },
  {
    id: 'appArmorProfile',
    since: [0],
    reason: 'forbidden AppArmor profiles',
    rejected: [
      [
        podOf(
          {},
          { [`${APPARMOR}/f`]: 'unknown', [`${APPARMOR}/`]: 'bogus', [`${APPARMOR}/e`]: 'unconfined' },
        ),
        `annotations must not set AppArmor profile type to "${APPARMOR}/="bogus"", "${APPARMOR}/e="unconfined"", "${APPARMOR}/f="unknown""`,
      ],
      [
        podOf(
          {
            containers: [
              hardened('b', { appArmorProfile: { type: 'Unconfined' } }),
              hardened('a', { appArmorProfile: { type: 'Other' } }),
            ],
          },
          { [`${APPARMOR}/c`]: 'unconfined' },
        ),
        `containers "b", "a" and annotation must not set AppArmor profile type to "Other", "Unconfined", "${APPARMOR}/c="unconfined""`,
      ],
    ],
  },
];

const seLinuxOptions: readonly Rows[] = [
  {
    id: 'seLinuxOptions',
    since: [0, 31],
    reason: 'seLinuxOptions',
    accepted: [
      podOf({ securityContext: { seLinuxOptions: { level: 's0:c1,c2' } } }),
      podOf({ securityContext: { seLinuxOptions: { type: '', user: '', role: '' } } }),
      ...['container_t', 'container_init_t', 'container_kvm_t'].map(type =>
        podWith({ seLinuxOptions: { type } }),
      ),
    ],
    rejected: [
      [
        podOf({ securityContext: { seLinuxOptions: { type: 'x', user: 'u', role: 'r' } } }),
        'pod set forbidden securityContext.seLinuxOptions: type "x"; user may not be set; role may not be set',
      ],
      [
        podWith({ seLinuxOptions: { user: 'u' } }),
        'container "a" set forbidden securityContext.seLinuxOptions: user may not be set',
      ],
      [
        podOf({
          securityContext: { seLinuxOptions: { type: 'foo' } },
          containers: [
            hardened('e', { seLinuxOptions: { type: 'bar' } }),
            hardened('f', { seLinuxOptions: { role: 'r', type: 'container_t' } }),
            hardened('g', { seLinuxOptions: { type: 'container_t' } }),
          ],
        }),
        'pod and containers "e", "f" set forbidden securityContext.seLinuxOptions: types "bar", "foo"; role may not be set',
      ],
      [
        podWith({ seLinuxOptions: { type: 'constructor' } }),
        'container "a" set forbidden securityContext.seLinuxOptions: type "constructor"',
      ],
    ],
  },
  {
    id: 'seLinuxOptions',
    since: [0],
    reason: 'seLinuxOptions',
    rejected: [
      [
        podWith({ seLinuxOptions: { type: 'container_engine_t' } }),
        'container "a" set forbidden securityContext.seLinuxOptions: type "container_engine_t"',
      ],
    ],
  },
  {
    id: 'seLinuxOptions',
    since: [31],
    reason: 'seLinuxOptions',
    accepted: [podWith({ seLinuxOptions: { type: 'container_engine_t' } })],
  },
];

const SECCOMP = 'seccomp.security.alpha.kubernetes.io';

const UNCONFINED = { seccompProfile: { type: 'Unconfined' } };

const seccompProfile: readonly Rows[] = [
  {
    id: 'seccompProfile_baseline',
    since: [0],
    reason: 'seccompProfile',
    accepted: [
      podWith(UNCONFINED, { securityContext: UNCONFINED }),
      podOf({}, { [`${SECCOMP}/pod`]: 'runtime/default', [`container.${SECCOMP}/a`]: 'docker/default' }),
      podOf({}, { [`${SECCOMP}/pod`]: 'localhost/p' }),
      // Of no container.
      podOf({}, { [`container.${SECCOMP}/b`]: 'unconfined' }),
    ],
    rejected: [
      [podOf({}, { [`${SECCOMP}/pod`]: '' }), `forbidden annotation ${SECCOMP}/pod=""`],
      [
        podOf(
          { initContainers: [hardened('b')] },
          {
            [`${SECCOMP}/pod`]: 'unconfined',
            [`container.${SECCOMP}/b`]: 'unknown',
            [`container.${SECCOMP}/a`]: 'unconfined',
          },
        ),
        `forbidden annotations container.${SECCOMP}/a="unconfined", container.${SECCOMP}/b="unknown", ${SECCOMP}/pod="unconfined"`,
      ],
    ],
  },
  {
    id: 'seccompProfile_baseline',
    since: [19],
    reason: 'seccompProfile',
    accepted: [
      podOf({ securityContext: { seccompProfile: undefined } }),
      podWith({ seccompProfile: { type: 'Localhost', localhostProfile: 'p' } }),
      podOf({}, { [`${SECCOMP}/pod`]: 'unconfined' }),
    ],
    rejected: [
      [
        podOf({ securityContext: UNCONFINED }),
        'pod must not set securityContext.seccompProfile.type to "Unconfined"',
      ],
      [
        podWith(UNCONFINED, { securityContext: UNCONFINED }),
        'pod and container "a" must not set securityContext.seccompProfile.type to "Unconfined"',
      ],
      [
        podOf({
          containers: [
            hardened('a'),
            hardened('c', UNCONFINED),
            hardened('d', { seccompProfile: { type: 'Other' } }),
          ],
        }),
        'containers "c", "d" must not set securityContext.seccompProfile.type to "Other", "Unconfined"',
      ],
    ],
  },
];

export const PROFILE_ROWS: readonly Rows[] = [...appArmor, ...seLinuxOptions, ...seccompProfile];
