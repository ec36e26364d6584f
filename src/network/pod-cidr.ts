import { type Cidr, parseCidr } from '../base/addresses.ts';
import { formatCidr } from './addresses.ts';
import { DEFAULT_SERVICE_CIDR } from './state.ts';

/** Where pods get their addresses from, when nobody says: what kubeadm's users and flannel know. */
export const DEFAULT_POD_CIDR = '10.244.0.0/16';

/** Ranges whose addresses mean something else to every kernel. */
const RESERVED: Readonly<Record<string, string>> = {
  '0.0.0.0/8': '"this network"',
  '127.0.0.0/8': 'loopback',
  '169.254.0.0/16': 'link-local',
  '224.0.0.0/3': 'multicast, and what is above it',
  '::/8': 'unspecified, loopback and IPv4 in IPv6',
  'fe80::/10': 'link-local',
  'ff00::/8': 'multicast',
};

/**
 * Parses the setting `podCidr`: one range, or one of each family with a comma between. The first one's address is the
 * pod's `status.podIP`, as in a dual-stack cluster. The error is a sentence about the value.
 */
export function parsePodCidr(text: string): readonly Cidr[] | { readonly error: string } {
  const cidrs: Cidr[] = [];
  for (const part of text.split(',')) {
    const cidr = parseCidr(part.trim());
    if (cidr === undefined)
      return { error: `"${part.trim()}" is not a range of addresses, as ${DEFAULT_POD_CIDR} is` };
    const problem = unusable(cidr);
    if (problem !== undefined) return { error: `"${part.trim()}" ${problem}` };
    if (cidrs.some(({ family }) => family === cidr.family))
      return { error: `"${text}" has two ${cidr.family} ranges` };
    cidrs.push(cidr);
  }
  return cidrs;
}

function unusable(cidr: Cidr): string | undefined {
  if (!cidr.isNetwork) return `is not the first address of ${formatCidr(cidr)}`;
  for (const [range, what] of Object.entries(RESERVED)) {
    const reserved = parseCidr(range);
    if (reserved?.family === cidr.family && cidr.first <= reserved.last && reserved.first <= cidr.last)
      return `has addresses of ${range}: ${what}`;
  }
  // Of a wider range the addresses at its beginning are taken, long before those.
  const services = parseCidr(DEFAULT_SERVICE_CIDR);
  if (services?.family === cidr.family && services.first <= cidr.first && cidr.first <= services.last)
    return `has addresses of ${DEFAULT_SERVICE_CIDR}: Services`;
  return undefined;
}
