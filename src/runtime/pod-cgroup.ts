import { existsSync, readFileSync } from 'node:fs';
import { type CgroupFacts, type CgroupPlan, planCgroup } from '../oci/cgroup-plan.ts';
import type { OciResources } from '../oci/config.ts';
import { Cgroup, createCgroup } from './cgroups.ts';

/** Where podspace keeps its own cgroups, below the root of each hierarchy. */
export const CGROUP = 'podspace';

/** podspace's own directory in each hierarchy, or one below it. */
function inEachHierarchy(facts: CgroupFacts, ...below: readonly string[]): readonly Cgroup[] {
  const roots = new Set([facts.root, ...Object.values(facts.v1)]);
  return [...roots]
    .filter(root => root !== undefined)
    .map(root => new Cgroup([root, CGROUP, ...below].join('/'), facts.isV2 && root === facts.root))
    .filter(({ path }) => existsSync(path));
}

export interface PodCgroup {
  /** The one that its processes are tracked in. */
  readonly tracking: Cgroup;
  /** What the machine does not do of the pod's resources. */
  readonly warnings: readonly string[];
}

/** The cgroups of a pod; undefined on a machine without any. {@link removePodCgroups} undoes it. */
export function createPodCgroup(
  facts: CgroupFacts,
  uid: string,
  resources: OciResources,
): PodCgroup | undefined {
  const { root } = facts;
  if (root === undefined) return undefined;
  const plan = planCgroup(facts, `/${CGROUP}/${uid}`, resources);
  return {
    tracking: new Cgroup(`${root}/${CGROUP}/${uid}`, facts.isV2),
    warnings: createCgroup(plan, facts),
  };
}

/**
 * Kills what is left in a pod's cgroups (nothing as a rule: a killed process' child, for example), and removes them in
 * every hierarchy.
 */
export async function removePodCgroups(facts: CgroupFacts, uid: string): Promise<void> {
  for (const cgroup of inEachHierarchy(facts, uid)) {
    if (cgroup.remove()) continue;
    cgroup.kill();
    await removeCgroup(cgroup);
  }
  removeRoots(facts);
}

/** podspace's own directories, where no pod is left in them. */
export function removeRoots(facts: CgroupFacts): void {
  for (const cgroup of inEachHierarchy(facts)) cgroup.removeIfEmpty();
}

/** A killed process leaves its cgroup a moment after the kill. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (cgroup.remove()) return;
    await new Promise(resolve => setTimeout(resolve, Math.min(1 + attempt, 20)));
  }
  throw new Error(`cgroup ${cgroup.path} still has processes: ${cgroup.processes().join(', ')}`);
}

/** True if the kernel has killed a process of this cgroup for want of memory: memory.events, v1's memory.oom_control. */
export function hasOomKill(plan: CgroupPlan): boolean {
  const files = [
    `${plan.path}/memory.events`,
    ...plan.others.map(directory => `${directory}/memory.oom_control`),
  ];
  return files.some(file => {
    const count = existsSync(file) ? /^oom_kill (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1] : undefined;
    return Number(count ?? 0) > 0;
  });
}
