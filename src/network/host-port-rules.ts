import type { Family } from '../base/addresses.ts';
import { type HostPortMapping, hostPortMappings } from './host-ports.ts';
import { NFT_FAMILIES, type NftTable } from './nft.ts';
import type { NetworkPod } from './state.ts';

/** Host ports: what arrives at one of the node's own addresses is looked up by address and port, then by port. */
export function addHostPorts(
  table: NftTable,
  pods: readonly NetworkPod[],
  families: readonly Family[],
): readonly string[] {
  return families.flatMap(family => {
    const { header, type, suffix } = NFT_FAMILIES[family];
    const mappings = hostPortMappings(pods, family);
    const rules: string[] = [];
    const add = (name: string, key: string, own: readonly HostPortMapping[], match: string): void => {
      if (own.length === 0) return;
      table.map(
        name,
        `${key}inet_proto . inet_service : ${type} . inet_service`,
        own.map(({ hostIP, protocol, hostPort, podIP, containerPort }) => [
          `${hostIP === undefined ? '' : `${hostIP} . `}${protocol.toLowerCase()} . ${hostPort}`,
          `${podIP} . ${containerPort}`,
        ]),
      );
      rules.push(
        `meta nfproto ${family.toLowerCase()} dnat ${header} to ${match}meta l4proto . th dport map @${name}`,
      );
    };
    const atOne = mappings.filter(({ hostIP }) => hostIP !== undefined);
    const atAny = mappings.filter(({ hostIP }) => hostIP === undefined);
    add(`host-ports-at-${suffix}`, `${type} . `, atOne, `${header} daddr . `);
    add(`host-ports-${suffix}`, '', atAny, '');
    return rules;
  });
}
