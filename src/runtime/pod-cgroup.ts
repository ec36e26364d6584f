import type { Container } from '../kube/types.generated.ts';
import { Cgroup, detectCgroups } from './cgroups.ts';
import type { Cleanup } from './cleanup.ts';

/** Where podspace keeps its own cgroups, below the root of the hierarchy. */
export const CGROUP = 'podspace';

/** The cgroup of a pod; undefined on a machine without any. */
export function createPodCgroup(uid: string, cleanup: Cleanup): Cgroup | undefined {
  const { root, isV2 } = detectCgroups();
  if (root === undefined) return undefined;
  const cgroup = new Cgroup(`${root}/${CGROUP}/${uid}`, isV2);
  cgroup.create();
  cleanup.add('cgroup of the pod', async () => {
    // Empty as a rule: all containers have ended. What has not, a killed one's child for example, is killed then.
    if (!cgroup.remove()) {
      cgroup.kill();
      await removeCgroup(cgroup);
    }
    new Cgroup(`${root}/${CGROUP}`, isV2).removeIfEmpty();
  });
  return cgroup;
}

/** A killed process leaves its cgroup a moment after the kill. */
export async function removeCgroup(cgroup: Cgroup): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    if (cgroup.remove()) return;
    await new Promise(resolve => setTimeout(resolve, Math.min(1 + attempt, 20)));
  }
  throw new Error(`cgroup ${cgroup.path} still has processes: ${cgroup.processes().join(', ')}`);
}

export function containerCgroup(pod: Cgroup | undefined, container: Container): Cgroup | undefined {
  return pod === undefined ? undefined : new Cgroup(`${pod.path}/${container.name}`, pod.isV2);
}
