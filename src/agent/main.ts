import { closeSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { UserError } from '../base/errors.ts';
import { makeDirectories } from '../native/exact-mode.ts';
import type { Roots } from '../oci/pod-paths.ts';
import { collectGarbage } from '../runtime/gc.ts';
import { lockFile, lockIn } from '../runtime/lock-file.ts';
import { activatedSocket } from './activation.ts';
import type { Log } from './api/log.ts';
import { AgentApi } from './api/start.ts';
import { giveBackLater } from './give-back.ts';
import { lockHolder } from './lock-holder.ts';
import { PodManager } from './pods/manager.ts';
import type { AgentSettings } from './pods/options.ts';
import { Registry } from './registry.ts';
import { agentLock } from './start.ts';

/** Bytes that wait for room on a full disk; what comes after them is not told. */
const MOST_UNTOLD = 1 << 16;

/** To standard output. What cannot be written there is no reason to end. */
function ownLog(): Log {
  const destination = pino.destination({ sync: true, maxLength: MOST_UNTOLD });
  destination.on('error', () => {});
  return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/**
 * The agent: registry, pods, API. Runs until it is told to end, by SIGTERM or SIGINT; pods go on, and the next agent takes them
 * over. Throws a UserError if another one runs.
 */
export async function runAgent(
  roots: Roots,
  settings: AgentSettings,
  version: string,
  log: Log = ownLog(),
): Promise<void> {
  makeDirectories(roots.state, 0o755);
  const lock = await lockAgent(roots);
  const registry = await Registry.open(roots, { onWarning: message => log.warn({}, message) });
  await collectGarbage(roots);
  const node = hostname().toLowerCase();
  const manager = new PodManager({
    registry,
    roots,
    settings,
    node,
    onError: message => log.error({}, message),
  });
  const listenFd = activatedSocket(process.env, process.pid);
  const socket = listenFd === undefined ? {} : { listenFd };
  const api = await AgentApi.start({ roots, registry, backend: manager, log, version, ...socket });
  registry.watch('Pod', undefined, giveBackLater());
  log.info({ pid: process.pid, version }, 'the agent is up');
  await new Promise<void>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  api.close();
  manager.close();
  registry.close();
  log.info({}, 'the agent ends');
  closeSync(lock);
  // Workers wait for containers that are not theirs to end.
  process.exit(0);
}

/** Milliseconds in which what a killed agent was just making ends: until then that has its lock. */
const AFTERMATH = 2000;

async function lockAgent(roots: Roots): Promise<number> {
  const path = agentLock(roots);
  const lock = (): number => {
    const fd = lockFile(path);
    if (fd === undefined) throw new UserError('an agent runs already', { hint: 'podspace agent status' });
    return fd;
  };
  for (const end = performance.now() + AFTERMATH; ; await delay(10)) {
    try {
      return lockIn(dirname(path), lock);
    } catch (error) {
      const isOver = lockHolder(path) !== undefined || performance.now() > end;
      if (!(error instanceof UserError) || isOver) throw error;
    }
  }
}
