import { isDeepStrictEqual } from 'node:util';
import { setDefaults } from '../../kube/defaults.ts';
import { type FieldError, forbidden, invalid } from '../../kube/field-error.ts';
import type { Container, Pod, PodSpec, Toleration } from '../../kube/types.generated.ts';
import { validateLabelsAndAnnotations } from '../../kube/validate-metadata.ts';
import type { ApiObject } from '../objects.ts';
import { servedKind } from '../resources.ts';
import { requireValid } from './invalid.ts';

const MUTABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** A pod after an update, with its defaults. Throws an ApiError (422) for what cannot be changed (ValidatePodUpdate). */
export function updatePod(after: ApiObject, before: ApiObject): ApiObject {
  const defaulted = setDefaults(after as unknown as Pod);
  const spec = withSystemFields(defaulted.spec ?? { containers: [] }, (before.spec ?? {}) as PodSpec);
  requireValid(servedKind('Pod'), after.metadata.name ?? '', [
    ...validateLabelsAndAnnotations(defaulted),
    ...specErrors(spec, (before.spec ?? {}) as PodSpec),
  ]);
  return { ...after, spec };
}

/** Fields that the API server has filled in: a manifest that is applied again does not have them. */
const FILLED = ['nodeName', 'serviceAccount', 'priority', 'preemptionPolicy', 'tolerations'] as const;

function withSystemFields(spec: PodSpec, before: PodSpec): PodSpec {
  const filled = Object.fromEntries(
    FILLED.filter(field => spec[field] === undefined && before[field] !== undefined).map(field => [
      field,
      before[field],
    ]),
  );
  return { ...spec, ...filled };
}

function specErrors(spec: PodSpec, before: PodSpec): readonly FieldError[] {
  for (const field of ['containers', 'initContainers'] as const)
    if ((spec[field] ?? []).length !== (before[field] ?? []).length)
      return [forbidden(`spec.${field}`, 'pod updates may not add or remove containers')];
  const errors = [
    ...imageErrors(spec),
    ...deadlineErrors(spec, before),
    ...tolerationErrors(spec.tolerations ?? [], before.tolerations ?? []),
  ];
  const changed = changedFields(spec, before);
  if (changed.length > 0) errors.push(forbidden('spec', `${MUTABLE}\nchanged: ${changed.join(', ')}`));
  return errors;
}

function imageErrors({ containers, initContainers = [] }: PodSpec): FieldError[] {
  const of = (field: string, list: readonly Container[]): FieldError[] =>
    list.flatMap(({ image = '' }, i) => {
      const path = `spec.${field}[${i}].image`;
      if (image === '') return [{ type: 'required' as const, path, detail: '' }];
      return image.trim() === image
        ? []
        : [invalid(path, image, 'must not have leading or trailing whitespace')];
    });
  return [...of('containers', containers), ...of('initContainers', initContainers)];
}

function deadlineErrors({ activeDeadlineSeconds: after }: PodSpec, before: PodSpec): FieldError[] {
  const path = 'spec.activeDeadlineSeconds';
  const old = before.activeDeadlineSeconds;
  if (after === old) return [];
  if (after === undefined)
    return [invalid(path, after, 'must not update from a positive integer to nil value')];
  if (after < 1 || after > 2 ** 31 - 1)
    return [invalid(path, after, `must be between 1 and ${2 ** 31 - 1}, inclusive`)];
  return old !== undefined && after > old
    ? [invalid(path, after, 'must be less than or equal to previous value')]
    : [];
}

/** They may be added, and have another time. */
function tolerationErrors(after: readonly Toleration[], before: readonly Toleration[]): FieldError[] {
  const timeless = ({ tolerationSeconds: _, ...toleration }: Toleration): object => toleration;
  const isThere = (old: Toleration): boolean =>
    after.some(each => isDeepStrictEqual(timeless(each), timeless(old)));
  const detail = 'existing toleration can not be modified except its tolerationSeconds';
  return before.every(isThere) ? [] : [forbidden('spec.tolerations', detail)];
}

/** What differs beside the few fields that may. */
function changedFields(spec: PodSpec, before: PodSpec): readonly string[] {
  const [one, other] = [comparable(spec), comparable(before)];
  const fields = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...fields]
    .filter(field => !isDeepStrictEqual(one[field], other[field]))
    .map(field => `spec.${field}`);
}

function comparable({
  activeDeadlineSeconds: _,
  tolerations: __,
  containers,
  initContainers = [],
  ...rest
}: PodSpec): Record<string, unknown> {
  const withoutImage = ({ image: _, ...container }: Container): object => container;
  const all = {
    ...rest,
    containers: containers.map(withoutImage),
    ...(initContainers.length === 0 ? {} : { initContainers: initContainers.map(withoutImage) }),
  };
  // What is not set and what is empty is the same to the API server.
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined && !isDeepStrictEqual(value, [])),
  );
}
