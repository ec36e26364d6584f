import { canonicalAddress } from '../base/addresses.ts';
import { UserError } from '../base/errors.ts';
import { describePod } from '../network/describe.ts';
import type { Party } from '../network/model.ts';
import { clusterIPsOf } from '../network/services.ts';
import { type NetworkPod, type NodeState, qualifiedName } from '../network/state.ts';

/** What a word of the command line stands for: a pod by name, uid or address, the node, or somebody elsewhere. */
export function partyNamed(state: NodeState, word: string, nodeAddresses: readonly string[]): Party {
  if (word === 'node') return { kind: 'node' };
  const pod = podNamed(state.pods, word);
  if (pod !== undefined) return { kind: 'pod', pod };
  const address = canonicalAddress(word.replace(/^\[(.*)\]$/, '$1'));
  if (address === undefined)
    throw new UserError(`pods ${JSON.stringify(word)} not found`, {
      hint: 'a running pod, "node", or an address',
    });
  // Policies are about whom an address leads to, and so is the kernel's answer.
  const owner = state.pods.find(({ ips, hostNetwork }) => !hostNetwork && ips.includes(address));
  if (owner !== undefined) return { kind: 'pod', pod: owner };
  const service = state.services.find(each => clusterIPsOf(each).includes(address));
  if (service !== undefined)
    throw new UserError(
      `${address} is the address of Service ${qualifiedName(service)}: policies are about the pods behind it`,
      { hint: 'podspace net lists its endpoints' },
    );
  return nodeAddresses.includes(address) ? { kind: 'node' } : { kind: 'address', address };
}

/** As commands print pods: a name alone is of the namespace `default`, or of the only pod that has it. */
function podNamed(pods: readonly NetworkPod[], word: string): NetworkPod | undefined {
  const exact = pods.find(pod => [describePod(pod), `${pod.namespace}/${pod.name}`, pod.uid].includes(word));
  if (exact !== undefined) return exact;
  const named = pods.filter(({ name }) => name === word);
  if (named.length > 1)
    throw new UserError(
      `there are several pods ${JSON.stringify(word)}: ${named.map(describePod).sort().join(', ')}`,
    );
  return named[0];
}
