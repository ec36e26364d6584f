import { chmodSync, existsSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { isReferred, type PodObjects } from '../kube/environment.ts';
import { formatFieldError, formatInvalid } from '../kube/field-error.ts';
import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  Pod,
  Volume,
} from '../kube/types.generated.ts';
import { validateClaim } from '../kube/validate-config.ts';
import { makeTree } from '../native/exact-mode.ts';
import { removeTree, unmountBelow } from '../native/remove-tree.ts';
import { claimPath, type Roots } from '../oci/pod-paths.ts';
import { findPods, removeEmpty } from './pod-directory.ts';
import { failedMount, VolumeError } from './volume-error.ts';

/**
 * A claim's volume: a directory below the state root, made with the first pod that uses it and kept until the claim is
 * deleted. Its size is not enforced, nor are access modes: there is one node, and so may it be with ReadWriteOnce.
 */
export function makeClaim(directory: string): void {
  if (existsSync(directory)) return;
  makeTree(dirname(directory), 0o700);
  makeTree(directory, 0o700);
  chmodSync(directory, 0o777);
}

/** Throws a VolumeError where a pod cannot have the claim that a volume names, or makes. */
export function checkClaim(pod: Pod, volume: Volume, { claims = [] }: PodObjects): void {
  const { persistentVolumeClaim: named, ephemeral } = volume;
  const { name = '', namespace = 'default' } = pod.metadata ?? {};
  if (ephemeral !== undefined) {
    const own = `${name}-${volume.name}`;
    // isVolumeForPod of the kubelet: somebody else's data must not be taken for the pod's.
    if (claims.some(claim => isReferred(claim, pod, own)))
      throw new VolumeError(
        `PVC ${namespace}/${own} was not created for pod ${namespace}/${name} (pod is not owner)`,
        'Unschedulable',
      );
    checkSpec(volume, own, ephemeral.volumeClaimTemplate?.spec ?? {});
  }
  if (named === undefined) return;
  const claim = claims.find(each => isReferred(each, pod, named.claimName));
  if (claim === undefined)
    throw new VolumeError(
      `0/1 nodes are available: persistentvolumeclaim ${JSON.stringify(named.claimName)} not found.`,
      'Unschedulable',
    );
  const causes = validateClaim(claim).map(formatFieldError);
  if (causes.length > 0) throw new UserError(formatInvalid('PersistentVolumeClaim', named.claimName, causes));
  checkSpec(volume, named.claimName, claim.spec ?? {});
}

/** What would choose or copy data that is somewhere else. */
const ELSEWHERE = ['dataSource', 'dataSourceRef', 'selector', 'volumeName'] as const;

function checkSpec(volume: Volume, name: string, spec: PersistentVolumeClaimSpec): void {
  if (spec.volumeMode === 'Block')
    throw failedMount(volume, `volume ${volume.name} has volumeMode Block, but is specified in volumeMounts`);
  const field = ELSEWHERE.find(each => spec[each] !== undefined);
  if (field !== undefined)
    throw new UserError(
      `persistentvolumeclaim "${name}": spec.${field}: a claim is a new directory here, there is nothing to choose or copy`,
      { hint: `remove ${field} from the claim` },
    );
}

/** A stored claim as `get` shows it: bound once a pod has used it. */
export function withStatus<T extends PersistentVolumeClaim>(roots: Roots, claim: T): T {
  const { name = '', namespace = 'default', uid = '' } = claim.metadata ?? {};
  const { accessModes = [], resources } = claim.spec ?? {};
  if (!existsSync(claimPath(roots, namespace, name))) return { ...claim, status: { phase: 'Pending' } };
  const storage = resources?.requests?.storage;
  return {
    ...claim,
    spec: { ...claim.spec, volumeName: `pvc-${uid}` },
    status: { phase: 'Bound', accessModes, ...(storage === undefined ? {} : { capacity: { storage } }) },
  };
}

/** Removes what is in a claim; false if nothing is. Throws a UserError while a pod uses it. */
export function removeClaim(roots: Roots, namespace: string, name: string): boolean {
  const user = findPods(roots).find(
    ({ isAlive, record }) => isAlive && record?.namespace === namespace && usesClaim(record.pod, name),
  );
  if (user?.record !== undefined)
    throw new UserError(
      `persistentvolumeclaim "${name}" is in use by pod "${namespace}/${user.record.name}"`,
    );
  const directory = claimPath(roots, namespace, name);
  if (name === '' || !existsSync(directory)) return false;
  unmountBelow(directory);
  removeTree(directory);
  for (const parent of [dirname(directory), dirname(dirname(directory))]) {
    try {
      rmdirSync(parent);
    } catch (error) {
      if (!['ENOENT', 'ENOTEMPTY'].includes(errnoCode(error) ?? '')) throw error;
    }
  }
  removeEmpty(roots);
  return true;
}

const usesClaim = ({ spec }: Pod, name: string): boolean =>
  (spec?.volumes ?? []).some(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === name);
