import { closeSync, constants, openSync, readlinkSync, renameSync, rmSync, writeSync } from 'node:fs';
import { errnoCode, UserError } from '../base/errors.ts';
import { killAll } from './cgroup.ts';
import { runHooks } from './hooks.ts';
import {
  type ContainerRecord,
  directoryOf,
  fifoOf,
  isAlive,
  type ProcessIdentity,
  readRecord,
  stateOf,
  statusOf,
} from './state.ts';

/** Lets the container's process go on to its execve. Needs files and /proc only, unless there are hooks. */
export async function start(root: string, id: string): Promise<void> {
  const record = readRecord(root, id);
  const status = statusOf(root, record);
  const { init } = record;
  if (status !== 'created' || init === undefined)
    throw new UserError(
      status === 'stopped'
        ? 'cannot start a container that has stopped'
        : `cannot start a container that is ${status}`,
    );
  const fd = takeFifo(root, id);
  try {
    await startContainerHooks(root, record, init);
    writeSync(fd, '\n');
  } catch (error) {
    killAll(record.cgroup);
    throw error;
  } finally {
    closeSync(fd);
  }
  waitForExecve(init);
  try {
    await runHooks('poststart', record.hooks.poststart, stateOf(record, 'running'), record.bundle);
  } catch (error) {
    killAll(record.cgroup);
    throw error;
  }
}

/** Only one of two who start a container at once can rename it. */
function takeFifo(root: string, id: string): number {
  const fifo = fifoOf(directoryOf(root, id));
  const taken = `${fifo}.taken`;
  try {
    renameSync(fifo, taken);
    const fd = openSync(taken, constants.O_WRONLY | constants.O_NONBLOCK);
    rmSync(taken);
    return fd;
  } catch (cause) {
    const code = errnoCode(cause);
    if (code === 'ENXIO') throw new UserError('cannot start a container that has stopped', { cause });
    if (code === 'ENOENT') throw new UserError('cannot start an already running container', { cause });
    throw cause;
  }
}

async function startContainerHooks(
  root: string,
  record: ContainerRecord,
  init: ProcessIdentity,
): Promise<void> {
  const hooks = record.hooks.startContainer;
  if (hooks.length === 0) return;
  const { hooksInContainer } = await import('./start-hooks.ts');
  await hooksInContainer(directoryOf(root, record.id), record, init.pid);
}

/** Until its executable is no longer ours: poststart hooks come after it, and "running" is true then. */
function waitForExecve(init: ProcessIdentity): void {
  for (let round = 0; round < 2000 && isAlive(init); round++) {
    try {
      if (!readlinkSync(`/proc/${init.pid}/exe`).startsWith('/memfd:podspace-shim')) return;
    } catch {
      return;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, round < 20 ? 0.2 : 2);
  }
}
