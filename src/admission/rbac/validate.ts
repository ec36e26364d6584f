import { type FieldError, forbidden, invalid, required } from '../../kube/field-error.ts';
import { validateLabelSelector } from '../../kube/label-selector.ts';
import { labelErrors, subdomainErrors } from '../../kube/names.ts';
import type { AggregationRule, PolicyRule, RoleRef, Subject } from '../../kube/types.generated.ts';
import { validateLabelsAndAnnotations } from '../../kube/validate-metadata.ts';
import { isNamespaced, RBAC_GROUP, type RbacKind, type RbacObject, SUBJECT_GROUPS } from './objects.ts';

/** What a binding of each kind may point at, in the order in which the API server names it. */
const ROLE_KINDS = {
  RoleBinding: ['Role', 'ClusterRole'],
  ClusterRoleBinding: ['ClusterRole'],
} as const satisfies Partial<Record<RbacKind, readonly RbacKind[]>>;

/** Every mistake of a defaulted object, in the API server's words (pkg/apis/rbac/validation). */
export function validateRbac(object: RbacObject, kind: RbacKind): readonly FieldError[] {
  const errors = validateMetadata(object, kind);
  const namespaced = isNamespaced(kind);
  if ('roleRef' in object) {
    const kinds = kind === 'RoleBinding' ? ROLE_KINDS.RoleBinding : ROLE_KINDS.ClusterRoleBinding;
    return [
      ...errors,
      ...validateRoleRef(object.roleRef, kinds),
      ...(object.subjects ?? []).flatMap((subject, i) =>
        validateSubject(subject, namespaced, `subjects[${i}]`),
      ),
    ];
  }
  const rules = 'rules' in object ? (object.rules ?? []) : [];
  return [
    ...errors,
    ...rules.flatMap((rule, i) => validateRule(rule, namespaced, `rules[${i}]`)),
    ...('aggregationRule' in object ? validateAggregation(object.aggregationRule) : []),
  ];
}

/** ValidateObjectMeta with the names of this group, which need be no DNS names: `system:node` is one. */
function validateMetadata(object: RbacObject, kind: RbacKind): readonly FieldError[] {
  const { name = '', generateName = '', namespace = '' } = object.metadata ?? {};
  const errors: FieldError[] = [];
  errors.push(
    ...pathSegmentErrors(generateName).map(detail => invalid('metadata.generateName', generateName, detail)),
  );
  if (name === '' && generateName === '')
    errors.push(required('metadata.name', 'name or generateName is required'));
  errors.push(...pathSegmentErrors(name).map(detail => invalid('metadata.name', name, detail)));
  if (!isNamespaced(kind)) {
    if (namespace !== '') errors.push(forbidden('metadata.namespace', 'not allowed on this type'));
  } else if (namespace === '') errors.push(required('metadata.namespace'));
  else errors.push(...labelErrors(namespace).map(detail => invalid('metadata.namespace', namespace, detail)));
  return [...errors, ...validateLabelsAndAnnotations({ metadata: object.metadata })];
}

/** Empty when a name can be a part of a URL (IsValidPathSegmentName). */
function pathSegmentErrors(name: string): readonly string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return ['/', '%'].filter(text => name.includes(text)).map(text => `may not contain '${text}'`);
}

function validateRule(rule: PolicyRule, namespaced: boolean, path: string): readonly FieldError[] {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const errors: FieldError[] = [];
  if (verbs.length === 0) errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'));
  if (nonResourceURLs.length > 0) {
    const wrong = (detail: string): FieldError => invalid(`${path}.nonResourceURLs`, nonResourceURLs, detail);
    if (namespaced) errors.push(wrong('namespaced rules cannot apply to non-resource URLs'));
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0)
      errors.push(wrong('rules cannot apply to both regular resources and non-resource URLs'));
    return errors;
  }
  if (apiGroups.length === 0)
    errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
  if (resources.length === 0)
    errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'));
  return errors;
}

function validateAggregation(rule: AggregationRule | undefined): readonly FieldError[] {
  if (rule === undefined) return [];
  const path = 'aggregationRule.clusterRoleSelectors';
  const { clusterRoleSelectors = [] } = rule;
  if (clusterRoleSelectors.length === 0)
    return [required(path, 'at least one clusterRoleSelector required if aggregationRule is non-nil')];
  return clusterRoleSelectors.flatMap((selector, i) => {
    const errors = validateLabelSelector(selector, `${path}[${i}]`);
    // The API server then prints the selector that it could not make: null.
    return errors.length === 0 ? [] : [...errors, invalid(`${path}[${i}]`, null, 'invalid label selector.')];
  });
}

function validateRoleRef(roleRef: RoleRef, kinds: readonly string[]): readonly FieldError[] {
  const { apiGroup = '', kind = '', name = '' } = roleRef;
  const errors: FieldError[] = [];
  if (apiGroup !== RBAC_GROUP) errors.push(unsupported('roleRef.apiGroup', apiGroup, [RBAC_GROUP]));
  if (!kinds.includes(kind)) errors.push(unsupported('roleRef.kind', kind, kinds));
  if (name === '') errors.push(required('roleRef.name'));
  errors.push(...pathSegmentErrors(name).map(detail => invalid('roleRef.name', name, detail)));
  return errors;
}

function validateSubject(subject: Subject, namespaced: boolean, path: string): readonly FieldError[] {
  const { apiGroup = '', kind = '', name = '', namespace = '' } = subject;
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`));
  const group = SUBJECT_GROUPS.get(kind);
  if (group === undefined) return [...errors, unsupported(`${path}.kind`, kind, [...SUBJECT_GROUPS.keys()])];
  if (kind === 'ServiceAccount' && name !== '')
    errors.push(...subdomainErrors(name).map(detail => invalid(`${path}.name`, name, detail)));
  if (apiGroup !== group) errors.push(unsupported(`${path}.apiGroup`, apiGroup, [group]));
  if (kind === 'ServiceAccount' && !namespaced && namespace === '')
    errors.push(required(`${path}.namespace`));
  return errors;
}

/** field.NotSupported as this package calls it: its values are a list and keep their order. */
function unsupported(path: string, badValue: string, values: readonly string[]): FieldError {
  const quoted = values.map(value => JSON.stringify(value)).join(', ');
  return { type: 'notSupported', path, badValue, detail: `supported values: ${quoted}` };
}
