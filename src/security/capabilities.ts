import {
  CAPABILITIES,
  type CapabilityName,
  DEFAULT_CAPABILITIES,
  isCapability,
} from '../linux/capabilities.ts';

export interface CapabilityRequest {
  readonly add: readonly string[];
  readonly drop: readonly string[];
}

export interface CapabilitySet {
  readonly capabilities: readonly CapabilityName[];
  readonly warnings: readonly string[];
}

/**
 * containerd's order: the default set; `ALL` in add, then in drop; the other names of add, then those of drop. So drop
 * wins for a name in both, and `drop: [ALL], add: [X]` is just X. Names are upper-cased; what no kernel knows has no effect.
 */
export function determineCapabilities(
  request: CapabilityRequest,
  available: readonly CapabilityName[],
): CapabilitySet {
  const warnings: string[] = [];
  const add = request.add.map(name => name.toUpperCase());
  const drop = request.drop.map(name => name.toUpperCase());
  let set = new Set<CapabilityName>(DEFAULT_CAPABILITIES);
  if (add.includes('ALL')) set = new Set(CAPABILITIES);
  if (drop.includes('ALL')) set.clear();
  for (const name of known(add, 'add', warnings)) set.add(name);
  for (const name of known(drop, 'drop', warnings)) set.delete(name);
  for (const name of set) {
    if (!available.includes(name))
      warnings.push(
        `capability "${name.slice(4)}" is not in this machine's bounding set and cannot be given`,
      );
  }
  return { capabilities: CAPABILITIES.filter(name => set.has(name) && available.includes(name)), warnings };
}

function known(names: readonly string[], list: 'add' | 'drop', warnings: string[]): CapabilityName[] {
  const found: CapabilityName[] = [];
  for (const name of names) {
    if (name === 'ALL') continue;
    const full = `CAP_${name}`;
    if (isCapability(full)) found.push(full);
    else if (isCapability(name))
      warnings.push(
        `capabilities.${list} "${name}" has no effect: Kubernetes names it without the prefix, "${name.slice(4)}"`,
      );
    else warnings.push(`capabilities.${list} "${name}" has no effect: no such capability`);
  }
  return found;
}
