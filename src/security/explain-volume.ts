import type { Volume } from '../kube/types.generated.ts';

/** What a volume is, and whether nobody can write to it whatever its mount says. */
export function describeVolume(volume: Volume | undefined): {
  readonly what: string;
  readonly isFixed: boolean;
} {
  const { emptyDir, hostPath, configMap, secret, projected, downwardAPI } = volume ?? {};
  const { persistentVolumeClaim: claim, ephemeral, image } = volume ?? {};
  if (hostPath !== undefined)
    return { what: `${JSON.stringify(hostPath.path)} of the machine`, isFixed: false };
  if (configMap !== undefined) return { what: `ConfigMap ${JSON.stringify(configMap.name)}`, isFixed: true };
  if (secret !== undefined)
    return { what: `Secret ${JSON.stringify(secret.secretName)}, in memory`, isFixed: true };
  if (downwardAPI !== undefined) return { what: 'facts about the pod, in memory', isFixed: true };
  if (projected !== undefined)
    return { what: `${projected.sources?.length ?? 0} sources in one, in memory`, isFixed: true };
  if (claim !== undefined)
    return { what: `claim ${JSON.stringify(claim.claimName)}`, isFixed: claim.readOnly === true };
  if (ephemeral !== undefined) return { what: 'a claim that goes with the pod', isFixed: false };
  if (image !== undefined)
    return { what: `image ${JSON.stringify(image.reference)}, nothing can be executed`, isFixed: true };
  return { what: `emptyDir${emptyDir?.medium === 'Memory' ? ' in memory' : ''}`, isFixed: false };
}
