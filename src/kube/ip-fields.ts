import { type Address, parseAddress, parseCidr } from '../base/addresses.ts';

/**
 * Fields with addresses, as the API server takes them since 1.36 (StrictIPCIDRValidation): what it says of them, in its
 * words (k8s.io/apimachinery/pkg/util/validation, ip.go).
 */

/** Empty when `text` can be an address. */
export function ipErrors(text: string): readonly string[] {
  const address = parseAddress(withoutLeadingZeros(text));
  if (address === undefined) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
  if (parseAddress(text) === undefined) return ['must not have leading 0s'];
  return isMapped(address) ? ['must not be an IPv4-mapped IPv6 address'] : [];
}

/** Empty when `text` can be a range of addresses. */
export function cidrErrors(text: string): readonly string[] {
  const cidr = parseSloppyCidr(text);
  if (cidr === undefined) return ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'];
  if (parseCidr(text) === undefined) return ['must not have leading 0s in IP or prefix length'];
  if (isMapped({ family: cidr.family, value: cidr.first }))
    return ['must not have an IPv4-mapped IPv6 address'];
  return cidr.isNetwork ? [] : ['must not have bits set beyond the prefix length'];
}

/** As Go read them once: leading zeros mean nothing. Kubernetes still does where it looks at a value that it refuses. */
export function parseSloppyCidr(text: string): ReturnType<typeof parseCidr> {
  const [address = '', length = '', ...rest] = text.split('/');
  if (rest.length > 0) return undefined;
  return parseCidr(`${withoutLeadingZeros(address)}/${length.replace(/^0+(?=\d)/, '')}`);
}

/** Only of an address that is IPv4 as a whole, or ends in one. */
function withoutLeadingZeros(text: string): string {
  return text.replace(/(?:\d+\.){3}\d+$/, ipv4 => ipv4.replace(/(^|\.)0+(?=\d)/g, '$1'));
}

function isMapped({ family, value }: Address): boolean {
  return family === 'IPv6' && value >> 32n === 0xffffn;
}

/** What an address that pods are to be reached at may not be (ValidateNonSpecialIP). */
const SPECIAL: readonly (readonly [range: string, detail: string])[] = [
  ['0.0.0.0/32', 'may not be unspecified (0.0.0.0 or ::)'],
  ['::/128', 'may not be unspecified (0.0.0.0 or ::)'],
  ['127.0.0.0/8', 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  ['::1/128', 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  ['169.254.0.0/16', 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
  ['fe80::/10', 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
  ['224.0.0.0/24', 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
  ['ff02::/16', 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
];

/** Empty when a valid address is an ordinary one. */
export function specialIpErrors(text: string): readonly string[] {
  const address = parseAddress(text);
  return SPECIAL.filter(([range]) => {
    const cidr = parseCidr(range);
    return (
      address?.family === cidr?.family &&
      address !== undefined &&
      cidr !== undefined &&
      address.value >= cidr.first &&
      address.value <= cidr.last
    );
  }).map(([, detail]) => detail);
}
