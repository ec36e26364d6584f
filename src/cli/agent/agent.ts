import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentClient, type ObjectList, objectPath } from '../../agent/client.ts';
import { lockHolder } from '../../agent/lock-holder.ts';
import { nodeVersion } from '../../agent/node-object.ts';
import { servedKind } from '../../agent/resources.ts';
import { agentLock, agentSocket, ensureAgent, isAnswering } from '../../agent/start.ts';
import { systemdUnits } from '../../agent/units.ts';
import { fileFailure, UserError } from '../../base/errors.ts';
import { networkSettings } from '../../runtime/pod-network.ts';
import { type Args, flag, type Io, text } from '../io.ts';
import { requireRoot } from '../root.ts';
import { version } from '../version.ts';
import { podspacePath } from './podspace-path.ts';

const UNITS = '/etc/systemd/system';
const PATIENCE = 10_000;

const ACTIONS: Readonly<Record<string, (args: Args, io: Io) => number | Promise<number>>> = {
  start,
  stop,
  status,
  install,
};

/** `agent start|stop|status|install`. */
export async function controlAgent(args: Args, io: Io): Promise<number> {
  if (flag(args, 'foreground')) {
    requireRoot();
    const { runAgent } = await import('../../agent/main.ts');
    await runAgent(io.roots, { network: networkSettings({}, '') }, version());
    return 0;
  }
  const action = text(args, 'action') ?? 'status';
  const act = ACTIONS[action];
  if (act === undefined) throw new UserError(`unknown action "${action}"`);
  return act(args, io);
}

const holder = ({ roots }: Io): number | undefined => lockHolder(agentLock(roots));

async function start(_args: Args, io: Io): Promise<number> {
  requireRoot();
  await ensureAgent(io.roots, podspacePath());
  return status(_args, io);
}

/** The pods go on: the next agent takes them over. */
async function stop(_args: Args, io: Io): Promise<number> {
  requireRoot();
  const pid = holder(io);
  if (pid === undefined) {
    io.out('agent is not running\n');
    return 0;
  }
  process.kill(pid, 'SIGTERM');
  for (const end = performance.now() + PATIENCE; holder(io) === pid; await delay(20))
    if (performance.now() > end)
      throw new UserError(`the agent (pid ${pid}) does not end`, {
        hint: `kill -9 ${pid}: pods go on without it`,
      });
  io.out('agent stopped\n');
  return 0;
}

async function status(_args: Args, io: Io): Promise<number> {
  requireRoot();
  const [pid, socket] = [holder(io), agentSocket(io.roots)];
  if (pid === undefined) {
    io.out('agent is not running\n');
    return 1;
  }
  const isThere = await isAnswering(socket);
  io.out(`agent is running (pid ${pid}), and ${isThere ? `listens on ${socket}` : 'does not answer'}\n`);
  const running = isThere ? await versionAt(socket) : undefined;
  if (running !== undefined && running !== version())
    io.out(
      `it is ${running === '' ? 'an older podspace' : `podspace ${running}`}, this is ${version()}: after "podspace agent stop" the next command starts this one, and pods go on\n`,
    );
  return 0;
}

/** Of the podspace whose agent answers there, which may be another one than is installed by now; undefined if it does not say. */
async function versionAt(socket: string): Promise<string | undefined> {
  const path = objectPath(servedKind('Node'), undefined);
  const options = { signal: AbortSignal.timeout(PATIENCE) };
  try {
    const { items } = await new AgentClient(socket).json<ObjectList>('GET', path, options);
    return nodeVersion(items[0]);
  } catch {
    return undefined;
  }
}

function install(args: Args, io: Io): number {
  const units = systemdUnits(io.roots, { node: process.execPath, podspace: podspacePath() });
  if (flag(args, 'print')) {
    io.out(
      Object.entries(units)
        .map(([name, unit]) => `# ${join(UNITS, name)}\n${unit}`)
        .join('\n'),
    );
    return 0;
  }
  requireRoot();
  for (const [name, unit] of Object.entries(units)) {
    const file = join(UNITS, name);
    try {
      mkdirSync(UNITS, { recursive: true });
      writeFileSync(file, unit, { mode: 0o644 });
    } catch (cause) {
      throw new UserError(`cannot write "${file}": ${fileFailure(cause)}`, { cause });
    }
    io.out(`${file} written\n`);
  }
  io.out('systemctl daemon-reload && systemctl enable --now podspace.socket podspace.service\n');
  return 0;
}
