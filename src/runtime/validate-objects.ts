import { validateNamespace } from '../admission/pod-security/namespace.ts';
import { setPolicyDefaults, validatePolicy } from '../admission/pod-security-policy/policy.ts';
import { formatPolicyError } from '../admission/pod-security-policy/policy-error.ts';
import { type RbacKind, type RbacObject, setRbacDefaults } from '../admission/rbac/objects.ts';
import { validateRbac } from '../admission/rbac/validate.ts';
import {
  type InvalidField,
  InvalidObjectError,
  InvalidObjectsError,
  invalidFields,
} from '../kube/invalid-object.ts';
import type { LoadedObject } from '../kube/manifest.ts';
import type {
  ConfigMap,
  Namespace,
  NetworkPolicy,
  ObjectMeta,
  PersistentVolumeClaim,
  PodSecurityPolicy,
  Secret,
  Service,
} from '../kube/types.generated.ts';
import {
  validateClaim,
  validateConfigMap,
  validateConfigUpdate,
  validateSecret,
} from '../kube/validate-config.ts';
import { setNetworkPolicyDefaults, validateNetworkPolicy } from '../kube/validate-network-policy.ts';
import { setServiceDefaults, validateService } from '../kube/validate-service.ts';

type Validate = (object: never) => readonly InvalidField[];

const ofRbac =
  (kind: RbacKind) =>
  (object: RbacObject): readonly InvalidField[] =>
    invalidFields(validateRbac(setRbacDefaults(object, kind), kind));

const VALIDATE: Readonly<Record<string, Validate>> = {
  PodSecurityPolicy: (object: PodSecurityPolicy) =>
    validatePolicy(setPolicyDefaults(object)).map(error => ({
      message: formatPolicyError(error),
      path: error.manifestPath,
    })),
  Namespace: (object: Namespace) => invalidFields(validateNamespace(object)),
  NetworkPolicy: (object: NetworkPolicy) =>
    invalidFields(validateNetworkPolicy(setNetworkPolicyDefaults(object))),
  Service: (object: Service) => invalidFields(validateService(setServiceDefaults(object))),
  ConfigMap: (object: ConfigMap) => invalidFields(validateConfigMap(object)),
  Secret: (object: Secret) => invalidFields(validateSecret(object)),
  PersistentVolumeClaim: (object: PersistentVolumeClaim) => invalidFields(validateClaim(object)),
  ClusterRole: ofRbac('ClusterRole'),
  ClusterRoleBinding: ofRbac('ClusterRoleBinding'),
  Role: ofRbac('Role'),
  RoleBinding: ofRbac('RoleBinding'),
};

/** Throws an InvalidObjectsError for objects that the API server would not store. */
export function validateObjects(objects: readonly LoadedObject[]): void {
  const invalid = objects.flatMap(({ kind, object, source }) => {
    const validate = VALIDATE[kind];
    if (validate === undefined) throw new Error(`bug in podspace: nothing validates a ${kind}`);
    const fields = validate(object as never);
    const name = (object.metadata as ObjectMeta | undefined)?.name ?? '';
    return fields.length === 0 ? [] : [new InvalidObjectError({ kind, name, source }, fields)];
  });
  if (invalid.length > 0) throw new InvalidObjectsError(invalid);
}

/** Throws an InvalidObjectsError for a change that the API server would refuse. */
export function validateUpdate(after: LoadedObject, before: LoadedObject | undefined): void {
  const { kind, object, source } = after;
  if (before === undefined || !['ConfigMap', 'Secret'].includes(kind)) return;
  const fields = invalidFields(validateConfigUpdate(before.object, object));
  const name = (object.metadata as ObjectMeta | undefined)?.name ?? '';
  if (fields.length > 0)
    throw new InvalidObjectsError([new InvalidObjectError({ kind, name, source }, fields)]);
}
