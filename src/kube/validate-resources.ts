import { type FieldError, forbidden, invalid, notSupported, required } from './field-error.ts';
import { type ExactQuantity, exactQuantity, formatQuantity } from './quantity-order.ts';
import { aggregateContainers, isPodLevelResource } from './resources.ts';
import type { Container, PodSpec, ResourceRequirements } from './types.generated.ts';

type Quantities = Readonly<Record<string, string | number>>;

const STANDARD = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/;
/** Extended resources (`example.com/gpu`) and huge pages cannot be lent out twice. */
const IS_EXACT = /\/|^hugepages-/;

/** ValidateContainerResourceRequirements: names, signs, and requests that exceed their limit. */
export function validateResources(
  resources: ResourceRequirements | undefined,
  path: string,
  validateName: typeof validateContainerName = validateContainerName,
): readonly FieldError[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  const isHuge = (name: string): boolean => name.startsWith('hugepages-');
  return [
    ...validateList(limits, `${path}.limits`, validateName),
    ...validateList(requests, `${path}.requests`, validateName),
    ...Object.keys(requests).flatMap(name => validateRequest(name, requests, limits, path)),
    ...(names.some(isHuge) && !names.some(name => name === 'cpu' || name === 'memory')
      ? [forbidden(path, 'HugePages require cpu or memory')]
      : []),
  ];
}

function validateList(
  list: Quantities,
  path: string,
  validateName: typeof validateContainerName,
): readonly FieldError[] {
  return Object.entries(list).flatMap(([name, value]) => {
    const at = `${path}[${name}]`;
    const quantity = exactQuantity(value);
    const wrongName = validateName(name, at);
    if (wrongName.length > 0 || quantity === undefined) return wrongName;
    if (quantity.nanos < 0n)
      return [invalid(at, formatQuantity(quantity), 'must be greater than or equal to 0')];
    return name.startsWith('hugepages-') ? validatePages(name, quantity, at) : [];
  });
}

function validateContainerName(name: string, at: string): readonly FieldError[] {
  if (name.includes('/') || STANDARD.test(name)) return [];
  return [invalid(at, name, 'must be a standard resource for containers')];
}

function validatePodName(name: string, at: string): readonly FieldError[] {
  return isPodLevelResource(name) ? [] : [notSupported(at, name, ['cpu', 'hugepages-', 'memory'])];
}

/** Pages are whole. */
function validatePages(name: string, quantity: ExactQuantity, at: string): readonly FieldError[] {
  const page = exactQuantity(name.slice('hugepages-'.length))?.nanos ?? 0n;
  if (page > 0n && quantity.nanos % page === 0n) return [];
  const text = formatQuantity(quantity);
  return [invalid(at, text, `${text} is not positive integer multiple of ${name}`)];
}

/** validatePodResources: the pod's own lists, and that they can hold what its containers ask for. */
export function validatePodResources(spec: PodSpec): readonly FieldError[] {
  const { resources } = spec;
  if (resources === undefined) return [];
  const path = 'spec.resources';
  const own = (list: 'requests' | 'limits', name: string): ExactQuantity | undefined =>
    exactQuantity(resources[list]?.[name] ?? '');
  const tooSmall = (list: 'requests' | 'limits') => {
    const names = [...aggregateContainers(spec, list)].filter(
      ([name]) => list === 'requests' || name.startsWith('hugepages-'),
    );
    return names.flatMap(([name, nanos]) => {
      const quantity = own(list, name);
      if (quantity === undefined || nanos <= quantity.nanos) return [];
      const all = formatQuantity({ ...quantity, nanos });
      return [
        invalid(
          `${path}.${list}[${name}]`,
          formatQuantity(quantity),
          `must be greater than or equal to aggregate container ${list} of ${all}`,
        ),
      ];
    });
  };
  const tooLarge = spec.containers.flatMap((container, i) =>
    Object.entries(container.resources?.limits ?? {}).flatMap(([name, text]) => {
      const [limit, quantity] = [exactQuantity(text), own('limits', name)];
      if (limit === undefined || quantity === undefined || limit.nanos <= quantity.nanos) return [];
      return [
        // The API server's own path: below the pod's resources.
        invalid(
          `${path}.containers[${i}][${name}].limits`,
          formatQuantity(limit),
          `must be less than or equal to pod limits of ${formatQuantity(quantity)}`,
        ),
      ];
    }),
  );
  return [
    ...(resources.claims === undefined
      ? []
      : [forbidden(`${path}.claims`, 'claims cannot be set for Resources at pod-level')]),
    ...validateResources(resources, path, validatePodName),
    ...tooSmall('requests'),
    ...tooSmall('limits'),
    ...tooLarge,
  ];
}

function validateRequest(
  name: string,
  requests: Quantities,
  limits: Quantities,
  path: string,
): readonly FieldError[] {
  const request = exactQuantity(requests[name] ?? 0);
  const limit = Object.hasOwn(limits, name) ? exactQuantity(limits[name] ?? 0) : undefined;
  if (!Object.hasOwn(limits, name) && IS_EXACT.test(name))
    return [required(`${path}.limits`, 'Limit must be set for non overcommitable resources')];
  if (request === undefined || limit === undefined) return [];
  const of = `${name} limit of ${formatQuantity(limit)}`;
  if (IS_EXACT.test(name) && request.nanos !== limit.nanos)
    return [invalid(`${path}.requests`, formatQuantity(request), `must be equal to ${of}`)];
  if (request.nanos > limit.nanos)
    return [invalid(`${path}.requests`, formatQuantity(request), `must be less than or equal to ${of}`)];
  return [];
}

export const RESOURCE_FIELDS = ['limits', 'requests'].flatMap(list =>
  ['cpu', 'ephemeral-storage', 'memory'].map(name => `${list}.${name}`),
);

/** What `resourceFieldRef` of an environment variable can name. */
export function validateResourceFields(container: Container, path: string): readonly FieldError[] {
  return (container.env ?? []).flatMap(({ valueFrom }, i) => {
    const ref = valueFrom?.resourceFieldRef;
    const at = `${path}.env[${i}].valueFrom.resourceFieldRef.resource`;
    if (ref === undefined) return [];
    if (!ref.resource) return [required(at)];
    const isKnown = RESOURCE_FIELDS.includes(ref.resource) || /^\w+\.hugepages-/.test(ref.resource);
    return isKnown ? [] : [notSupported(at, ref.resource, RESOURCE_FIELDS)];
  });
}
