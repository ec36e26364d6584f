import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../base/errors.ts';
import { applyResources, freeze, thaw } from './cgroup.ts';
import type { Arguments, OptionSpec } from './options.ts';
import { readRecord, statusOf } from './state.ts';

/** One command: its options, and what it does. Returns the exit code. */
export interface Command {
  readonly options: readonly OptionSpec[];
  run(args: Arguments, root: string): Promise<number> | number;
}

const value = (long: string, short?: string): OptionSpec => ({
  long,
  kind: 'value',
  ...(short === undefined ? {} : { short }),
});
const flag = (long: string, short?: string): OptionSpec => ({ ...value(long, short), kind: 'switch' });
const many = (long: string, short?: string): OptionSpec => ({ ...value(long, short), kind: 'many' });

const print = (text: string): number => {
  writeFileSync(1, text);
  return 0;
};

const CREATE = [
  value('bundle', 'b'),
  value('config', 'f'),
  value('console-socket'),
  value('pid-file'),
  value('preserve-fds'),
  value('pidfd-socket'),
  flag('no-pivot'),
  flag('no-new-keyring'),
] as const;

/** What of the contract is not there is an error, never passed over. --no-new-keyring: we make none anyway. */
function createOptions(args: Arguments, root: string, isDetached: boolean) {
  for (const name of ['no-pivot', 'pidfd-socket'])
    if (args.text(name) !== undefined && args.text(name) !== 'false')
      throw new UserError(`option --${name} is not supported`);
  return {
    root,
    id: args.id(),
    bundle: args.text('bundle') ?? '.',
    configFile: args.text('config'),
    consoleSocket: args.text('console-socket'),
    pidFile: args.text('pid-file'),
    preserveFds: args.number('preserve-fds', 1024) ?? 0,
    isDetached,
  };
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  create: {
    options: CREATE,
    run: async (args, root) => {
      await (await import('./create-commands.ts')).create(createOptions(args, root, true));
      return 0;
    },
  },
  run: {
    options: [...CREATE, flag('detach', 'd'), flag('keep'), flag('no-subreaper')],
    run: async (args, root) => {
      const options = createOptions(args, root, args.flag('detach'));
      return (await import('./create-commands.ts')).runIn({ ...options, isKept: args.flag('keep') });
    },
  },
  start: {
    options: [],
    run: async (args, root) => {
      await (await import('./start.ts')).start(root, args.id());
      return 0;
    },
  },
  state: {
    options: [],
    run: async (args, root) => print((await import('./show.ts')).stateText(root, args.id())),
  },
  kill: {
    options: [flag('all', 'a')],
    run: async (args, root) => {
      const [, signal = 'TERM', ...more] = args.rest;
      if (more.length > 0) throw new UserError(`unexpected argument ${JSON.stringify(more[0])}`);
      const [{ kill }, { signalNumber }] = await Promise.all([import('./kill.ts'), import('./signals.ts')]);
      kill(root, args.id(true), signalNumber(signal), args.flag('all'));
      return 0;
    },
  },
  delete: {
    options: [flag('force', 'f')],
    run: async (args, root) => {
      await (await import('./kill.ts')).remove(root, args.id(), args.flag('force'));
      return 0;
    },
  },
  list: {
    options: [value('format', 'f'), flag('quiet', 'q')],
    run: async (args, root) =>
      print((await import('./show.ts')).listText(root, args.text('format') ?? 'table', args.flag('quiet'))),
  },
  ps: {
    options: [value('format', 'f')],
    run: async (args, root) => {
      const { psText } = await import('./show.ts');
      return print(psText(root, args.id(true), args.text('format') ?? 'table', args.rest.slice(1)));
    },
  },
  exec: {
    options: [
      value('process', 'p'),
      flag('detach', 'd'),
      flag('tty', 't'),
      value('cwd'),
      many('env', 'e'),
      value('user', 'u'),
      many('cap', 'c'),
      flag('no-new-privs'),
      value('apparmor'),
      value('process-label'),
      value('pid-file'),
      value('console-socket'),
      value('preserve-fds'),
      flag('ignore-paused'),
    ],
    run: async (args, root) => (await import('./create-commands.ts')).exec(root, args.id(true), args),
  },
  pause: { options: [], run: (args, root) => setFrozen(root, args.id(), true) },
  resume: { options: [], run: (args, root) => setFrozen(root, args.id(), false) },
  update: {
    options: [value('resources', 'r'), ...UPDATES().map(([name]) => value(name))],
    run: async (args, root) => {
      const record = readRecord(root, args.id());
      if (statusOf(root, record) === 'stopped') throw new UserError('container not running');
      const { readResourcesFile } = await import('../oci/read/config.ts');
      const file = args.text('resources');
      const text = file === undefined ? optionResources(args) : readFileSync(file === '-' ? 0 : file, 'utf8');
      const { devices, ...resources } = readResourcesFile(text, file ?? 'options');
      const isSame = isDeepStrictEqual(devices, record.deviceRules);
      if ((devices ?? []).length > 0 && !isSame) throw new UserError('devices: cannot be updated');
      applyResources(record.cgroupsPath, resources);
      return 0;
    },
  },
  events: {
    options: [flag('stats'), value('interval')],
    run: async (args, root) => {
      if (!args.flag('stats')) throw new UserError('events: only --stats is supported');
      return print((await import('./events.ts')).statsText(readRecord(root, args.id())));
    },
  },
  spec: {
    options: [value('bundle', 'b')],
    run: async args => {
      const { defaultSpec } = await import('./spec.ts');
      const file = join(args.text('bundle') ?? '.', 'config.json');
      try {
        writeFileSync(file, `${JSON.stringify(defaultSpec(), null, 2)}\n`, { flag: 'wx', mode: 0o666 });
      } catch (cause) {
        throw new UserError(`cannot write ${file}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
      }
      return 0;
    },
  },
  features: {
    options: [],
    run: async () => print(`${JSON.stringify((await import('./features.ts')).features(), null, 2)}\n`),
  },
};

function setFrozen(root: string, id: string, wanted: boolean): number {
  const record = readRecord(root, id);
  const status = statusOf(root, record);
  if (status !== (wanted ? 'running' : 'paused') && !(wanted && status === 'created'))
    throw new UserError(
      status === 'stopped'
        ? 'container not running'
        : `container is ${status}, not ${wanted ? 'running' : 'paused'}`,
    );
  if (wanted) freeze(record.cgroup);
  else thaw(record.cgroup);
  return 0;
}

/** Options of `update`: the path in linux.resources of each. */
function UPDATES(): readonly (readonly [string, string, string])[] {
  return [
    ['memory', 'memory', 'limit'],
    ['memory-reservation', 'memory', 'reservation'],
    ['memory-swap', 'memory', 'swap'],
    ['cpu-shares', 'cpu', 'shares'],
    ['cpu-share', 'cpu', 'shares'],
    ['cpu-quota', 'cpu', 'quota'],
    ['cpu-period', 'cpu', 'period'],
    ['cpuset-cpus', 'cpu', 'cpus'],
    ['cpuset-mems', 'cpu', 'mems'],
    ['pids-limit', 'pids', 'limit'],
    ['blkio-weight', 'blockIO', 'weight'],
  ];
}

function optionResources(args: Arguments): string {
  const resources: Record<string, Record<string, number | string>> = {};
  for (const [option, section, field] of UPDATES()) {
    const text = args.text(option);
    if (text === undefined) continue;
    const isText = field === 'cpus' || field === 'mems';
    resources[section] = {
      ...resources[section],
      [field]: isText ? text : (args.number(option, 2 ** 63) ?? 0),
    };
  }
  return JSON.stringify(resources);
}
