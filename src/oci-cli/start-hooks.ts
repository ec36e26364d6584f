import { runContainerHooks } from './container-hooks.ts';
import { readExec } from './exec-record.ts';
import { type ContainerRecord, stateOf } from './state.ts';

/** startContainer hooks: as the container's process is, filter and all, and found by the container's paths. */
export async function hooksInContainer(
  directory: string,
  record: ContainerRecord,
  pid: number,
): Promise<void> {
  const { process, seccomp, hasUsers } = readExec(directory);
  const state = stateOf(record, 'created');
  await runContainerHooks('startContainer', record.hooks.startContainer, state, {
    pid,
    hasUsers,
    process,
    seccomp,
  });
}
