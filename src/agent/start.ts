import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoCode, UserError } from '../base/errors.ts';
import { makeDirectories } from '../native/exact-mode.ts';
import { DEFAULT_ROOTS, type Roots } from '../oci/pod-paths.ts';
import { isLocked } from '../runtime/lock-file.ts';
import { lockHolder } from './lock-holder.ts';

/** What one agent listens on. */
export const agentSocket = ({ run }: Roots): string => join(run, 'agent.sock');
/** Locked by the agent as long as it lives. */
export const agentLock = ({ run }: Roots): string => join(run, 'agent', 'lock');
/** What the agent says that a command has started. */
export const agentLog = ({ state }: Roots): string => join(state, 'agent', 'agent.log');

/** The command line of the agent of these roots, after the path of podspace. */
export function agentArguments({ run, state }: Roots): readonly string[] {
  const root = run === DEFAULT_ROOTS.run && state === DEFAULT_ROOTS.state ? [] : ['--root', state];
  return [...root, 'agent', '--foreground'];
}

const QUESTION = 'GET /livez HTTP/1.1\r\nHost: podspace\r\nConnection: close\r\n\r\n';
const NOBODY = ['ENOENT', 'ECONNREFUSED', 'ENOTDIR', 'ECONNRESET', 'EPIPE'];

/**
 * Whether somebody answers at a socket, within {@link PATIENCE}. The file may be left over; and where an agent was killed, a
 * process that it was just making has its descriptors for another moment, so that one can still connect to it.
 */
export function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(QUESTION));
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', () => settle(true));
    socket.once('close', () => settle(false));
    socket.setTimeout(PATIENCE, () => settle(false));
    socket.on('error', error => {
      if (NOBODY.includes(errnoCode(error) ?? '')) settle(false);
      else reject(error);
    });
  });
}

/** unix(7): sun_path, which a null byte ends. What is longer Node cuts short. */
const MAX_SOCKET_PATH = 107;
const PATIENCE = 15_000;
const PAUSE = 10;
/** Of the log of an agent, in bytes: the next one begins a new file. */
const LARGE_LOG = 1 << 20;

/**
 * Starts the agent unless one answers, and waits until it does. Of two commands that start one at once both agents come to
 * life, and the one that does not get the lock ends.
 */
export async function ensureAgent(roots: Roots, podspace: string): Promise<void> {
  const socket = agentSocket(roots);
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH)
    throw new UserError(`the path of the agent's socket has more than ${MAX_SOCKET_PATH} bytes: ${socket}`, {
      hint: 'a shorter --root',
    });
  const asked = performance.now();
  if (await isAnswering(socket)) return;
  const holder = lockHolder(agentLock(roots));
  if (holder !== undefined && performance.now() - asked >= PATIENCE)
    throw new UserError(`the agent (pid ${holder}) does not answer`, {
      hint: `kill -9 ${holder}: pods go on without it, and the next command starts another one`,
    });
  const started = spawnAgent(roots, podspace);
  const end = performance.now() + PATIENCE;
  while (!(await isAnswering(socket))) {
    if (performance.now() > end) throw failed(roots, started);
    // While another one has the lock, it is that one that will answer.
    if (started.code !== undefined && !isLocked(agentLock(roots))) throw failed(roots, started);
    await delay(PAUSE);
  }
}

interface Started {
  readonly code: number | undefined;
  /** Where in the log its words begin. */
  readonly logStart: number;
}

function spawnAgent(roots: Roots, podspace: string): Started {
  makeDirectories(join(roots.state, 'agent'), 0o755);
  const file = agentLog(roots);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LARGE_LOG) renameSync(file, `${file}.1`);
  const log = openSync(file, 'a', 0o600);
  const { NODE_OPTIONS: _, NODE_EXTRA_CA_CERTS: __, NODE_V8_COVERAGE: ___, ...env } = process.env;
  const started = { code: undefined as number | undefined, logStart: fstatSync(log).size };
  try {
    const child = spawn(process.execPath, [podspace, ...agentArguments(roots)], {
      cwd: '/',
      detached: true,
      env,
      stdio: ['ignore', log, log],
    });
    child.on('exit', (code, signal) => {
      started.code = code ?? (signal === null ? 0 : 1);
    });
    child.on('error', () => {
      started.code = 1;
    });
    child.unref();
  } finally {
    closeSync(log);
  }
  return started;
}

function failed(roots: Roots, { code, logStart }: Started): UserError {
  const said = readFileSync(agentLog(roots)).subarray(logStart).toString().trim().split('\n');
  const why = said.find(line => line.startsWith('error: '))?.slice('error: '.length);
  const what = code === undefined ? 'the agent does not answer' : 'the agent cannot be started';
  return new UserError(why === undefined ? what : `${what}: ${why}`, { hint: `see ${agentLog(roots)}` });
}
