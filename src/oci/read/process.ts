import { type CapabilityName, isCapability } from '../../linux/capabilities.ts';
import { RLIMIT } from '../../linux/constants.generated.ts';
import type { OciCapabilities, OciProcess, OciRlimit, OciUser } from '../config.ts';
import { type Fields, present } from './json.ts';
import { readIoPriority, readScheduler } from './scheduling.ts';

const MAX_ID = 2 ** 32 - 2;

/** `process` of a config, or the whole of a process.json. */
export function readProcess(fields: Fields): OciProcess {
  const args = fields.texts('args');
  if (args.length === 0) fields.fail('args', 'is empty');
  const cwd = fields.text('cwd') ?? '';
  if (!cwd.startsWith('/')) fields.fail('cwd', 'is not an absolute path');
  fields.refuse('execCPUAffinity', 'commandLine');
  const env = fields.texts('env');
  const bad = env.findIndex(entry => !/^[^=]+=/.test(entry));
  if (bad !== -1) fields.fail(`env[${bad}]`, 'expected NAME=value');
  const size = fields.object('consoleSize');
  const rlimits = fields.objects('rlimits', readRlimit);
  const twice = rlimits.findIndex(({ type }, i) => rlimits.findIndex(one => one.type === type) !== i);
  if (twice !== -1) fields.fail(`rlimits[${twice}].type`, 'is there twice');
  return {
    terminal: fields.boolean('terminal'),
    ...(size === undefined
      ? {}
      : {
          consoleSize: {
            height: size.integer('height', 0, 65535) ?? 0,
            width: size.integer('width', 0, 65535) ?? 0,
          },
        }),
    user: readUser(fields.object('user')),
    args,
    // The last of a name wins, as with runc and crun.
    env: [...new Map(env.map(entry => [entry.slice(0, entry.indexOf('=')), entry])).values()],
    cwd,
    capabilities: readCapabilities(fields.object('capabilities')),
    rlimits,
    noNewPrivileges: fields.boolean('noNewPrivileges'),
    ...present({
      oomScoreAdj: fields.integer('oomScoreAdj', -1000, 1000),
      scheduler: readScheduler(fields.object('scheduler')),
      ioPriority: readIoPriority(fields.object('ioPriority')),
      apparmorProfile: fields.text('apparmorProfile') || undefined,
      selinuxLabel: fields.text('selinuxLabel') || undefined,
    }),
  };
}

function readUser(fields: Fields | undefined): OciUser {
  if (fields === undefined) return { uid: 0, gid: 0, umask: 0o022, additionalGids: [] };
  fields.refuse('username');
  return {
    uid: fields.integer('uid', 0, MAX_ID) ?? 0,
    gid: fields.integer('gid', 0, MAX_ID) ?? 0,
    umask: fields.integer('umask', 0, 0o7777) ?? 0o022,
    additionalGids: fields.list<number>('additionalGids', (value, path) => {
      if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_ID) return value;
      return fields.fail(path.slice(fields.path.length + 1), 'expected a group id');
    }),
  };
}

const SETS = ['bounding', 'effective', 'permitted', 'inheritable', 'ambient'] as const;

/** Without the field there are none. */
function readCapabilities(fields: Fields | undefined): OciCapabilities {
  const read = (set: (typeof SETS)[number]): readonly CapabilityName[] =>
    (fields?.texts(set) ?? []).map((name, i) =>
      isCapability(name)
        ? name
        : (fields?.fail(`${set}[${i}]`, `unknown capability ${JSON.stringify(name.slice(0, 60))}`) as never),
    );
  return Object.fromEntries(SETS.map(set => [set, read(set)])) as unknown as OciCapabilities;
}

function readRlimit(fields: Fields): OciRlimit {
  const type = fields.text('type') ?? '';
  if (!Object.hasOwn(RLIMIT, type)) fields.fail('type', `unknown limit ${JSON.stringify(type.slice(0, 60))}`);
  const soft = fields.integer('soft') ?? 0;
  const hard = fields.integer('hard') ?? 0;
  if (soft > hard) fields.fail('soft', `${soft} is more than the hard limit ${hard}`);
  return { type, soft, hard };
}
