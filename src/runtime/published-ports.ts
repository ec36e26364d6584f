import type { ContainerFacts } from '../admission/verify/facts.ts';
import { canonicalAddress } from '../base/addresses.ts';
import { UserError } from '../base/errors.ts';
import { TABLE } from '../network/nft.ts';
import { runNft } from '../network/nft-run.ts';
import { readNode } from './node-registry.ts';

/** The node's ports that lead to a pod, as the kernel has them in its rules. Where there are no rules there are none. */
export function publishedPorts(uid: string): ContainerFacts['hostPorts'] {
  const ips = readNode().find(({ pod }) => pod.uid === uid)?.pod.ips ?? [];
  const found = rulesInForce()
    .filter(({ to }) => ips.includes(to))
    .map(({ protocol, port }) => ({ protocol, port }));
  const unique = new Map(found.map(each => [`${each.protocol}/${each.port}`, each]));
  return [...unique.keys()].sort().flatMap(key => unique.get(key) ?? []);
}

/** `tcp . 8088 : 10.244.0.3 . 8080`, perhaps with an address of the node before it. */
const ELEMENT = /(tcp|udp|sctp) \. (\d+) : (\S+) \. \d+/g;

function rulesInForce(): readonly {
  readonly protocol: string;
  readonly port: number;
  readonly to: string;
}[] {
  let text: string;
  try {
    text = runNft(`list table ${TABLE}\n`);
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
  const maps = [...text.matchAll(/^\tmap host-ports-\S+ \{$.*?^\t\}$/gms)].map(([map]) => map);
  return maps.flatMap(map =>
    [...map.matchAll(ELEMENT)].map(([, protocol = '', port, to = '']) => ({
      protocol: protocol.toUpperCase(),
      port: Number(port),
      to: canonicalAddress(to) ?? to,
    })),
  );
}
