import type { Volume } from '../../../kube/types.generated.ts';
import { type Check, type CheckPod, verdict } from '../check.ts';
import { offenders } from '../containers.ts';
import { joinQuote, named, using } from '../words.ts';

const checkHostPathVolumes: CheckPod = (_, { volumes = [] }) => {
  const names = volumes.filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name);
  return verdict('hostPath volumes', names.length === 0 ? undefined : named('volume', names));
};

/** spec.volumes[].hostPath: undefined. */
export const hostPathVolumes: Check = {
  id: 'hostPathVolumes',
  level: 'baseline',
  versions: [{ since: 0, check: checkHostPathVolumes }],
};

const UNRESTRICTED: readonly string[] = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
] satisfies readonly (keyof Volume)[];

/** A volume has one source; without any it is an emptyDir, as the API server's defaults have it. */
function restrictedTypes({ name: _, ...sources }: Volume): readonly string[] {
  const types = Object.entries(sources).flatMap(([type, source]) => (source === undefined ? [] : type));
  return types.some(type => UNRESTRICTED.includes(type)) ? [] : types;
}

const checkRestrictedVolumes: CheckPod = (_, { volumes = [] }) => {
  const bad = offenders(volumes, restrictedTypes);
  if (bad === undefined) return verdict('restricted volume types', undefined);
  const detail = using('volume', bad.names, 'restricted volume type', bad.values.length);
  return verdict('restricted volume types', `${detail} ${joinQuote(bad.values)}`);
};

/** spec.volumes[]: of these types only. (`image` was let in later, and in all versions at once.) */
export const restrictedVolumes: Check = {
  id: 'restrictedVolumes',
  level: 'restricted',
  versions: [{ since: 0, overrides: [hostPathVolumes.id], check: checkRestrictedVolumes }],
};
