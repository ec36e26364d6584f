import { Cleanup } from './cleanup.ts';
import { containerInput, lifecycleHooks } from './container-input.ts';
import { PodLifecycle } from './lifecycle.ts';
import { startTimeOf } from './pod-directory.ts';
import type { PodResult } from './pod-result.ts';
import { explainDisk, failureOf, preparePod } from './prepare-pod.ts';
import type { RunPodOptions } from './run-options.ts';

/**
 * Runs a pod to its end and leaves nothing behind. What the pod does wrong is in the result; a UserError is thrown for
 * what keeps it from being tried at all (a missing image, a name in use).
 */
export async function runPod(options: RunPodOptions): Promise<PodResult> {
  const { pod, roots } = options;
  const cleanup = new Cleanup();
  try {
    const prepared = await preparePod(options, cleanup);
    if ('phase' in prepared) return prepared;
    const owner = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
    const hooks = lifecycleHooks(options, prepared, owner);
    const lifecycle = new PodLifecycle(options, containerInput(options, prepared), hooks);
    options.onSignals?.(signal => lifecycle.signal(signal));
    return await lifecycle.run();
  } catch (error) {
    const failure = failureOf(pod, pod.metadata?.uid ?? '', error);
    if (failure !== undefined) return failure;
    throw explainDisk(error, roots);
  } finally {
    await cleanup.run();
  }
}
