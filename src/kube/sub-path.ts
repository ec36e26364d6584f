import type { ConfigError } from './environment.ts';
import { expand } from './expand.ts';
import type { Container, VolumeMount } from './types.generated.ts';

/**
 * The container with every `subPathExpr` as the `subPath` that its environment makes of it, in the kubelet's order and
 * words (makeMounts of kubelet_pods.go, ExpandContainerVolumeMounts). Variables of the image are not among those.
 */
export function expandSubPaths(
  container: Container,
  env: readonly (readonly [name: string, value: string])[],
): Container | ConfigError {
  if (!container.volumeMounts?.some(({ subPathExpr }) => subPathExpr)) return container;
  const values = new Map(env);
  const mounts: VolumeMount[] = [];
  for (const mount of container.volumeMounts) {
    const expanded = mount.subPathExpr ? subPathOf(mount.subPathExpr, values) : undefined;
    if (typeof expanded === 'object') return expanded;
    mounts.push(expanded === undefined ? mount : { ...mount, subPath: expanded });
  }
  return { ...container, volumeMounts: mounts };
}

function subPathOf(expression: string, values: ReadonlyMap<string, string>): string | ConfigError {
  const missing = new Set<string>();
  const path = expand(expression, name => {
    const value = values.get(name) ?? '';
    if (value === '') missing.add(name);
    return value;
  });
  if (missing.size > 0) return { error: `missing value for ${[...missing].sort().join(', ')}` };
  if (path.startsWith('/')) return { error: `error SubPath \`${path}\` must not be an absolute path` };
  if (path.split('/').includes('..'))
    return { error: `unable to provision SubPath \`${path}\`: must not contain '..'` };
  return path;
}
