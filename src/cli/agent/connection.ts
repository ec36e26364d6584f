import { AgentClient } from '../../agent/client.ts';
import { agentSocket, ensureAgent, isAnswering } from '../../agent/start.ts';
import { errnoCode } from '../../base/errors.ts';
import { admissionOptions, printWarnings } from '../input.ts';
import type { Args, Io } from '../io.ts';
import { requireRoot } from '../root.ts';
import { podspacePath } from './podspace-path.ts';

const clientOf = (args: Args, io: Io): AgentClient =>
  new AgentClient(agentSocket(io.roots), admissionOptions(args), message => printWarnings(io, [message]));

/** The agent; it is started if none runs. */
export async function agent(args: Args, io: Io): Promise<AgentClient> {
  const running = await runningAgent(args, io);
  if (running !== undefined) return running;
  requireRoot();
  await ensureAgent(io.roots, podspacePath());
  return clientOf(args, io);
}

/** The agent if one runs that we may speak to. */
export async function runningAgent(args: Args, io: Io): Promise<AgentClient | undefined> {
  try {
    return (await isAnswering(agentSocket(io.roots))) ? clientOf(args, io) : undefined;
  } catch (error) {
    if (errnoCode(error) === 'EACCES') return undefined;
    throw error;
  }
}
