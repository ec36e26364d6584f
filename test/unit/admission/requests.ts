import type { AdmissionRequest } from '../../../src/admission/admission.ts';
import { ROOT_USER, type UserInfo } from '../../../src/admission/user.ts';
import { setDefaults } from '../../../src/kube/defaults.ts';
import type { Pod } from '../../../src/kube/types.generated.ts';
import { podOf } from '../kube/pods.ts';
import { clusterRole, clusterRoleBinding, group, objectsOf, usePolicy } from './rbac/objects.ts';

/** Everybody may use `open`, nobody but root anything else. */
export const RBAC = objectsOf({
  clusterRoles: [clusterRole('use-open', usePolicy('open'))],
  clusterRoleBindings: [clusterRoleBinding('all', 'use-open', group('system:authenticated'))],
});

export const BOB: UserInfo = { name: 'bob', groups: ['system:authenticated'] };

export const requestOf = (parts: Partial<AdmissionRequest> = {}): AdmissionRequest => ({
  policies: [],
  rbac: RBAC,
  namespaces: new Map(),
  user: ROOT_USER,
  ...parts,
});

export const enforcing = (level: string, more: Readonly<Record<string, string>> = {}) =>
  new Map([['default', { 'pod-security.kubernetes.io/enforce': level, ...more }]]);

export const podIn = (namespace: string, spec: Parameters<typeof podOf>[0] = {}): Pod =>
  setDefaults(podOf(spec, { namespace }));
