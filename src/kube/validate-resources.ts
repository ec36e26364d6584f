import { type FieldError, invalid, notSupported, required } from './field-error.ts';
import { exactQuantity, formatQuantity } from './quantity-order.ts';
import type { Container, ResourceRequirements } from './types.generated.ts';

type Quantities = Readonly<Record<string, string | number>>;

const STANDARD = /^(cpu|memory|ephemeral-storage|hugepages-.+)$/;
/** Extended resources (`example.com/gpu`) and huge pages cannot be lent out twice. */
const IS_EXACT = /\/|^hugepages-/;

/** ValidateContainerResourceRequirements: names, signs, and requests that exceed their limit. */
export function validateResources(
  resources: ResourceRequirements | undefined,
  path: string,
): readonly FieldError[] {
  const { limits = {}, requests = {} } = resources ?? {};
  return [
    ...validateList(limits, `${path}.limits`),
    ...validateList(requests, `${path}.requests`),
    ...Object.keys(requests).flatMap(name => validateRequest(name, requests, limits, `${path}.requests`)),
  ];
}

function validateList(list: Quantities, path: string): readonly FieldError[] {
  return Object.entries(list).flatMap(([name, value]) => {
    const at = `${path}[${name}]`;
    const quantity = exactQuantity(value);
    if (!name.includes('/') && !STANDARD.test(name))
      return [invalid(at, name, 'must be a standard resource for containers')];
    if (quantity !== undefined && quantity.nanos < 0n)
      return [invalid(at, formatQuantity(quantity), 'must be greater than or equal to 0')];
    return [];
  });
}

function validateRequest(
  name: string,
  requests: Quantities,
  limits: Quantities,
  path: string,
): readonly FieldError[] {
  const request = exactQuantity(requests[name] ?? 0);
  const limit = Object.hasOwn(limits, name) ? exactQuantity(limits[name] ?? 0) : undefined;
  if (request === undefined || limit === undefined) return [];
  const of = `${name} limit of ${formatQuantity(limit)}`;
  if (IS_EXACT.test(name) && request.nanos !== limit.nanos)
    return [invalid(path, formatQuantity(request), `must be equal to ${of}`)];
  if (request.nanos > limit.nanos)
    return [invalid(path, formatQuantity(request), `must be less than or equal to ${of}`)];
  return [];
}

const RESOURCE_FIELDS = ['limits', 'requests'].flatMap(list =>
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
