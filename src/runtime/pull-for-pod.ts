import { pullImage } from '../image/pull.ts';
import { type Auths, parseAuths } from '../image/registry/credentials.ts';
import type { Image } from '../image/store.ts';
import { secretData } from '../kube/environment.ts';
import type { RunPodOptions } from './run-options.ts';

/** A pod's image from its registry, with what the kubelet says of it. */
export async function pullForPod(
  options: RunPodOptions,
  name: string,
): Promise<{ readonly pulled: Image; readonly message: string }> {
  const { images, signal, insecureRegistries } = options;
  const start = Date.now();
  const progress = options.onPull?.(name);
  try {
    const pulled = await pullImage(images, name, {
      secrets: pullSecrets(options),
      signal,
      ...(insecureRegistries === undefined ? {} : { insecureRegistries }),
      ...(progress === undefined ? {} : { onProgress: progress.onProgress }),
    });
    const took = `${((Date.now() - start) / 1000).toFixed(3)}s`;
    return {
      pulled,
      message: `Successfully pulled image "${name}" in ${took} (${took} including waiting). Image size: ${pulled.size} bytes.`,
    };
  } finally {
    progress?.end();
  }
}

/** What `imagePullSecrets` names; one that is not there is a warning, as on a node. */
function pullSecrets({ pod, objects, observer }: RunPodOptions): readonly Auths[] {
  const missing: string[] = [];
  const auths = (pod.spec?.imagePullSecrets ?? []).flatMap(({ name = '' }) => {
    const data = secretData(pod, objects, name);
    if (data === undefined) missing.push(name);
    const config = data?.get('.dockerconfigjson');
    const old = data?.get('.dockercfg');
    if (config !== undefined) return [parseAuths(config, `Secret "${name}"`)];
    return old === undefined ? [] : [parseAuths(`{"auths":${old}}`, `Secret "${name}"`)];
  });
  if (missing.length > 0)
    observer.onWarning?.(
      `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`,
    );
  return auths;
}
