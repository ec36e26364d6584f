import { execute, reap } from '../native/execute.ts';
import { hostArch } from '../native/library.ts';
import { deviceRules } from '../oci/device-rules.ts';
import { compileDeviceRules } from '../program/compile-sandbox.ts';

let loading: Promise<number> | undefined;

/**
 * fd of the filter that unprivileged containers have on their cgroup. The kernel takes half a millisecond to check it: it is
 * loaded once by each process of ours, in a thread, while other things are made. Not closed before this process ends.
 */
export function deviceFilter(): Promise<number> {
  loading ??= load();
  return loading;
}

async function load(): Promise<number> {
  const { filter, ...compiled } = compileDeviceRules(deviceRules(false), hostArch());
  try {
    const child = await execute(compiled);
    reap(child);
    return child.report.result(filter);
  } catch (error) {
    loading = undefined;
    throw error;
  }
}
