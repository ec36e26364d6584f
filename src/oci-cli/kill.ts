import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoCode, UserError } from '../base/errors.ts';
import { SIG } from '../linux/constants.generated.ts';
import { killAll, processesIn, removeCgroups, thaw } from './cgroup.ts';
import { poststop } from './hooks.ts';
import {
  type ContainerRecord,
  directoryOf,
  isAlive,
  type ProcessIdentity,
  readLeftover,
  readRecord,
  statusOf,
} from './state.ts';

/** `kill [--all] ID SIGNAL`. Callers know "container not running". */
export function kill(root: string, id: string, signal: number, isAll: boolean): void {
  const record = readRecord(root, id);
  const status = statusOf(root, record);
  const { init } = record;
  if (isAll) {
    for (const pid of record.cgroup.directories.slice(0, 1).flatMap(processesIn)) send(pid, signal);
    return;
  }
  if (init === undefined || status === 'stopped') throw new UserError('container not running');
  if (!isAlive(init) || !send(init.pid, signal)) throw new UserError('container not running');
  // Without a PID namespace of its own the others would live on.
  if (record.sharesPid && signal === SIG.SIGKILL) killAll(record.cgroup);
  // On v1 not even SIGKILL reaches who is frozen.
  if (signal === SIG.SIGKILL) thaw(record.cgroup);
}

function send(pid: number, signal: number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (errnoCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/** `delete [--force] ID`: nothing is left afterwards. A forced one also takes what a killed `create` left. */
export async function remove(root: string, id: string, isForced: boolean): Promise<void> {
  if (isForced && !hasLeftover(root, id)) return;
  const record = isForced ? readLeftover(root, id)?.record : readRecord(root, id);
  if (record === undefined) {
    rmSync(directoryOf(root, id), { recursive: true, force: true });
    return;
  }
  const status = statusOf(root, record);
  if (status === 'running' || status === 'paused' || status === 'creating') {
    if (!isForced)
      throw new UserError(`cannot delete container ${JSON.stringify(id)} that is not stopped: ${status}`);
    if (status === 'creating') endCreator(record);
  }
  // What its creator has written meanwhile.
  await clear(root, readLeftover(root, id)?.record ?? record);
}

function endCreator({ creator }: ContainerRecord): void {
  send(creator.pid, SIG.SIGKILL);
  waitForEnd(creator);
}

/** A process that has got SIGKILL. */
function waitForEnd(process: ProcessIdentity): void {
  for (let round = 0; round < 2000 && isAlive(process); round++)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, round < 50 ? 0.2 : 5);
}

const hasLeftover = (root: string, id: string): boolean => readLeftover(root, id) !== undefined;

/** Ends what runs, removes what was made, and runs the hooks that come after. */
export async function clear(root: string, record: ContainerRecord): Promise<void> {
  const { init } = record;
  if (init !== undefined && isAlive(init)) {
    thaw(record.cgroup);
    send(init.pid, SIG.SIGKILL);
    waitForEnd(init);
  }
  killAll(record.cgroup);
  removeCgroups(record.cgroup);
  if (takeAway(root, record.id)) await poststop(record);
}

/** Of two who delete a container at once only one can rename it, and runs the hooks. No id begins with a dot. */
function takeAway(root: string, id: string): boolean {
  const taken = join(root, `.${id}.${process.pid}`);
  try {
    renameSync(directoryOf(root, id), taken);
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return false;
    throw error;
  }
  rmSync(taken, { recursive: true, force: true });
  return true;
}
