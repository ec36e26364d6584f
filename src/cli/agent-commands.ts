/** Commands that ask the agent, in one file of their own beside the bundle: the words are kubectl's. */
import { controlAgent } from './agent/agent.ts';
import { attach } from './agent/attach.ts';
import { describe } from './agent/describe.ts';
import { events } from './agent/events.ts';
import { kubeconfig } from './agent/kubeconfig.ts';
import { logs } from './agent/logs.ts';
import { top } from './agent/top.ts';
import { wait } from './agent/wait.ts';
import type { Args, Io } from './io.ts';

export const AGENT_COMMANDS: Readonly<
  Record<
    'describe' | 'logs' | 'attach' | 'wait' | 'events' | 'top' | 'agent' | 'kubeconfig',
    (args: Args, io: Io) => number | Promise<number>
  >
> = { describe, logs, attach, wait, events, top, agent: controlAgent, kubeconfig };
