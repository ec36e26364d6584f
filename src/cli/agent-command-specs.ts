import type { CommandSpec } from './command-spec.ts';
import { DEFAULT_DETACH_KEYS } from './detach-keys.ts';
import type { Command } from './io.ts';
import {
  allNamespaces,
  container,
  filenames,
  identity,
  namespace,
  selectors,
  tableOutput,
} from './options.ts';

type Name = 'describe' | 'logs' | 'attach' | 'wait' | 'events' | 'top' | 'agent' | 'kubeconfig';

const agentCommand = (name: Name) => async (): Promise<Command> => {
  const { AGENT_COMMANDS } = await import('./agent-commands.ts');
  return { run: async (args, io) => AGENT_COMMANDS[name](args, io) };
};

const headers = {
  type: 'boolean',
  describe: 'the line of headers above the rows; --no-headers leaves it out',
} as const;

/** Commands that ask the agent, kubectl's, and those about the agent itself. */
export const AGENT_COMMAND_SPECS: Readonly<Record<string, CommandSpec>> = {
  describe: {
    describe: 'show objects in detail, with what happened to them',
    positionals: [
      {
        name: 'object',
        describe: 'TYPE and perhaps NAMEs or beginnings of names, or TYPE/NAME: pod web',
        required: false,
        variadic: true,
      },
    ],
    options: {
      ...filenames,
      namespace,
      'all-namespaces': allNamespaces,
      ...selectors,
      'show-events': { type: 'boolean', describe: 'with events; --show-events=false leaves them out' },
      ...identity,
    },
    examples: [['podspace describe pod web', 'states, conditions, volumes, events']],
    load: agentCommand('describe'),
  },
  logs: {
    describe: 'print what the containers of a pod have written',
    positionals: [
      { name: 'pod', describe: 'NAME or pod/NAME, and perhaps a container', required: false, variadic: true },
    ],
    options: {
      namespace,
      container: { ...container, describe: 'container of the pod; the first one by default' },
      follow: { type: 'boolean', alias: 'f', describe: 'go on with what is written' },
      previous: { type: 'boolean', alias: 'p', describe: 'of the attempt before this one' },
      tail: { type: 'string', describe: 'only so many lines at the end; -1 for all' },
      since: { type: 'string', describe: 'only what is younger: 5s, 2m, 3h' },
      'since-time': { type: 'string', describe: 'only what was written after a time (RFC 3339)' },
      timestamps: { type: 'boolean', describe: 'each line with its time' },
      'limit-bytes': { type: 'string', describe: 'at most so many bytes' },
      'all-containers': { type: 'boolean', describe: 'of all containers, init containers first' },
      prefix: { type: 'boolean', describe: 'each line with its pod and container' },
      selector: { type: 'string', alias: 'l', describe: 'of all pods with such labels, ten lines each' },
      'max-log-requests': { type: 'string', describe: 'how many logs can be followed at once', default: '5' },
      ...identity,
    },
    examples: [
      ['podspace logs web -f', 'what it writes, as it does'],
      ['podspace logs web -p --tail=20', 'the last words before the restart'],
    ],
    load: agentCommand('logs'),
  },
  attach: {
    describe: 'see what a container prints from now on, and type what it reads',
    positionals: [{ name: 'pod', describe: 'NAME or pod/NAME', required: true }],
    options: {
      namespace,
      container: { ...container, describe: 'container of the pod; the first one by default' },
      stdin: { type: 'boolean', alias: 'i', describe: 'connect standard input' },
      tty: { type: 'boolean', alias: 't', describe: 'as a terminal, where the container has one' },
      'detach-keys': {
        type: 'string',
        describe: 'keys that leave the container alone, with -it; "" for none',
        default: DEFAULT_DETACH_KEYS,
        canBeEmpty: true,
      },
      ...identity,
    },
    examples: [['podspace attach web -it', '']],
    load: agentCommand('attach'),
  },
  wait: {
    describe: 'wait until objects are in a condition, or have gone',
    positionals: [
      { name: 'object', describe: 'TYPE/NAME, or TYPE and NAMEs: pod/web', required: false, variadic: true },
    ],
    options: {
      for: {
        type: 'string',
        describe:
          "condition=Ready, condition=Ready=False, delete, create, or jsonpath='{.status.phase}'=Running",
      },
      timeout: { type: 'string', describe: 'how long; negative for a week', default: '30s' },
      ...filenames,
      namespace,
      'all-namespaces': allNamespaces,
      all: { type: 'boolean', describe: 'every object of the type in the namespace' },
      ...selectors,
      ...identity,
    },
    examples: [
      ['podspace wait --for=condition=Ready pod/web', ''],
      ['podspace wait --for=delete pod/web --timeout=60s', ''],
    ],
    load: agentCommand('wait'),
  },
  events: {
    describe: 'list what happened to pods, the newest at the end',
    positionals: [],
    options: {
      for: { type: 'string', describe: 'only to this object: pod/web' },
      types: { type: 'string', describe: 'only of these types: Warning, Normal' },
      namespace,
      'all-namespaces': allNamespaces,
      watch: { type: 'boolean', alias: 'w', describe: 'go on with what happens' },
      headers,
      output: tableOutput,
      ...identity,
    },
    examples: [['podspace events --for pod/web --types=Warning', '']],
    load: agentCommand('events'),
  },
  top: {
    describe: 'show what pods use of processors and memory: top pod [NAME]',
    positionals: [{ name: 'object', describe: 'pod, and perhaps its name', required: true, variadic: true }],
    options: {
      namespace,
      'all-namespaces': allNamespaces,
      containers: { type: 'boolean', describe: 'by container' },
      'sort-by': { type: 'string', describe: 'the most first', choices: ['cpu', 'memory'] },
      headers,
      ...identity,
    },
    examples: [['podspace top pod -A --sort-by=memory', '']],
    load: agentCommand('top'),
  },
  agent: {
    describe: 'the process that keeps pods running: start, stop, status, or install its systemd units',
    positionals: [
      {
        name: 'action',
        describe: 'start, stop, status or install',
        required: false,
        choices: ['start', 'stop', 'status', 'install'],
      },
    ],
    options: {
      foreground: { type: 'boolean', describe: 'be the agent, until SIGTERM' },
      print: { type: 'boolean', describe: 'install: print the units instead of writing them' },
    },
    examples: [
      ['podspace agent status', 'whether it runs'],
      ['podspace agent install --print', 'the units for systemd'],
    ],
    load: agentCommand('agent'),
  },
  kubeconfig: {
    describe: 'make the agent listen on an address of this machine, and print the file for kubectl',
    positionals: [],
    options: {
      listen: {
        type: 'string',
        describe: 'address and port, now and after every start; 127.0.0.1:6443 if it does not listen yet',
      },
      user: { type: 'string', describe: 'whose file it is; RBAC says what he may do. Root’s by default' },
      group: { type: 'strings', describe: 'groups of the user' },
      revoke: { type: 'boolean', describe: 'take back all files of the user instead' },
    },
    examples: [
      ['podspace kubeconfig > ~/.kube/config', 'kubectl as root of the agent'],
      ['podspace kubeconfig --user bob --group dev > bob.kubeconfig', 'somebody whom roles let do something'],
    ],
    load: agentCommand('kubeconfig'),
  },
};
