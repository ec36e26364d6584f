/** What the two ends of a pod's link are called, all from the pod's uid, so that anybody can find them. */
export interface LinkNames {
  /** The node's end: `ps` and 11 hex digits, as long as a device's name may be (IFNAMSIZ). */
  readonly name: string;
  readonly nodeMac: string;
  readonly podMac: string;
}

export const POD_DEVICE = 'eth0';

/** First bytes of MAC addresses that are nobody's: locally administered, not multicast (IEEE 802). */
const NODE_END = '02';
const POD_END = '06';

export const isUid = (uid: string): boolean => /^[0-9a-f]{32}$/.test(digitsOf(uid));

const digitsOf = (uid: string): string => uid.replaceAll('-', '');

export function linkNames(uid: string): LinkNames {
  if (!isUid(uid)) throw new Error(`bug in podspace: "${uid}" is not a uid`);
  const digits = digitsOf(uid);
  const tail = digits.slice(-10).match(/../g) ?? [];
  return {
    name: `ps${digits.slice(0, 11)}`,
    nodeMac: [NODE_END, ...tail].join(':'),
    podMac: [POD_END, ...tail].join(':'),
  };
}
