import { familyOf } from '../base/addresses.ts';
import { duplicate, type FieldError, invalid, notSupported, required } from './field-error.ts';
import { ipErrors } from './ip-fields.ts';
import type { ServiceSpec } from './types.generated.ts';

const FAMILIES = ['IPv4', 'IPv6'];
const FAMILY_POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

/** No address of its own: DNS names the pods. */
export function isHeadless({ clusterIP, clusterIPs = [] }: ServiceSpec): boolean {
  return clusterIPs.length === 0 ? clusterIP === 'None' : clusterIPs.length === 1 && clusterIPs[0] === 'None';
}

/** Addresses and families of a defaulted Service (ValidateServiceClusterIPsRelatedFields). */
export function validateClusterIps(spec: ServiceSpec): readonly FieldError[] {
  if (spec.type === 'ExternalName') return [];
  const { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const path = 'spec.clusterIPs';
  const errors: FieldError[] = [];
  if (clusterIP === '' && clusterIPs.length > 0)
    errors.push(invalid(path, clusterIPs, 'must be empty when `clusterIP` is not specified'));
  if (clusterIP !== '' && clusterIPs.length === 0) errors.push(required(path));
  else if (clusterIP !== '' && clusterIPs[0] !== clusterIP)
    errors.push(invalid(path, clusterIPs, 'first value must match `clusterIP`'));
  for (const [i, family] of ipFamilies.entries()) {
    const at = `spec.ipFamilies[${i}]`;
    if (!FAMILIES.includes(family)) errors.push(notSupported(at, family, FAMILIES));
    if (ipFamilies.indexOf(family) < i) errors.push(duplicate(at, family));
  }
  if (ipFamilyPolicy !== undefined && !FAMILY_POLICIES.includes(ipFamilyPolicy))
    errors.push(notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, FAMILY_POLICIES));
  const wrong = clusterIPs.flatMap((ip, i) => {
    if (i > 0 || ip !== 'None') return ipErrors(ip).map(detail => invalid(`${path}[${i}]`, ip, detail));
    return clusterIPs.length > 1
      ? [invalid(path, clusterIPs, "'None' must be the first and only value")]
      : [];
  });
  errors.push(...wrong);
  if (clusterIPs.length > 2) errors.push(invalid(path, clusterIPs, 'may only hold up to 2 values'));
  return wrong.length > 0 ? errors : [...errors, ...validateFamilies(spec)];
}

/** Addresses that are well-formed must be of the families that they are said to be of, and of different ones. */
function validateFamilies(spec: ServiceSpec): readonly FieldError[] {
  const { clusterIPs = [], ipFamilies = [] } = spec;
  if (isHeadless(spec)) return [];
  const path = 'spec.clusterIPs';
  const families = clusterIPs.map(familyOf);
  // Of three addresses two are always of one family, and yet both are there: so it is in the API server.
  const isMixed = clusterIPs.length < 2 || new Set(families).size === 2;
  return [
    ...(isMixed ? [] : [invalid(path, clusterIPs, 'may specify no more than one IP for each IP family')]),
    ...clusterIPs.flatMap((ip, i) => {
      const expected = ipFamilies[i];
      if (expected === undefined || !FAMILIES.includes(expected) || families[i] === expected) return [];
      const detail = `expected an ${expected} value as indicated by \`ipFamilies[${i}]\``;
      return [invalid(`${path}[${i}]`, ip, detail)];
    }),
  ];
}
