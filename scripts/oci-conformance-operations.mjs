// biome-ignore-all lint/complexity/noCommaOperator: a row is one expression: what is done first, then what is asked
// Operations of runtime.md, and what drivers rely on beyond it. Each returns undefined, or what is wrong.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const sleep = milliseconds => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

function status({ call, id }) {
  const { stdout, stderr } = call('state', id);
  try {
    return JSON.parse(stdout).status;
  } catch {
    return stderr.trim();
  }
}

function waitFor(context, wanted) {
  for (let i = 0; i < 100 && status(context) !== wanted; i++) sleep(20);
  return status(context) === wanted ? undefined : `status ${status(context)}, not ${wanted}`;
}

function started(context) {
  context.create();
  context.call('start', context.id);
  sleep(100);
}

const failsWith = ({ status, stderr }, pattern) =>
  status !== 0 && pattern.test(stderr) ? undefined : `status ${status}: ${stderr.trim()}`;
const succeeds = ({ status, stderr }) => (status === 0 ? undefined : `status ${status}: ${stderr.trim()}`);

/** @type {[name: string, operation: (context: any) => string | undefined][]} */
export const OPERATIONS = [
  [
    'create: the status is "created"',
    context => (context.create(), status(context) === 'created' ? undefined : status(context)),
  ],
  [
    'create --pid-file: decimal, no newline',
    context => {
      const file = join(context.bundle, 'pid');
      context.create('--pid-file', file);
      const text = existsSync(file) ? readFileSync(file, 'utf8') : 'no file';
      return /^\d+$/.test(text) ? undefined : text;
    },
  ],
  [
    'create twice with one id',
    context => (
      context.create(), failsWith(context.call('create', '--bundle', context.bundle, context.id), /exist/)
    ),
  ],
  [
    'create with an id that is a path',
    ({ call, bundle }) => failsWith(call('create', '--bundle', bundle, '../x'), /invalid/),
  ],
  [
    'create without a bundle',
    ({ call }) => failsWith(call('create', '--bundle', '/nowhere', 'x'), /no such file/i),
  ],
  ['start: the status is "running"', context => (started(context), waitFor(context, 'running'))],
  [
    'start twice',
    context => (started(context), failsWith(context.call('start', context.id), /start|running/)),
  ],
  ['start of an unknown id', ({ call }) => failsWith(call('start', 'unknown'), /does not exist/)],
  ['state of an unknown id', ({ call }) => failsWith(call('state', 'unknown'), /does not exist/)],
  [
    'state: fields',
    context => {
      context.create();
      const state = JSON.parse(context.call('state', context.id).stdout);
      const missing = ['ociVersion', 'id', 'pid', 'status', 'bundle'].filter(key => state[key] === undefined);
      return missing.length === 0 ? undefined : missing.join();
    },
  ],
  [
    'kill: the signal arrives',
    context => (started(context), context.call('kill', context.id, 'TERM'), waitFor(context, 'stopped')),
  ],
  [
    'kill by number',
    context => (started(context), context.call('kill', context.id, '9'), waitFor(context, 'stopped')),
  ],
  [
    'kill of what is stopped: "container not running"',
    context => {
      started(context);
      context.call('kill', context.id, 'KILL');
      waitFor(context, 'stopped');
      return failsWith(
        context.call('kill', context.id, 'KILL'),
        /not running|already finished|no such process/,
      );
    },
  ],
  [
    'kill --all',
    context => (
      started(context),
      succeeds(context.call('kill', '--all', context.id, 'KILL')) ?? waitFor(context, 'stopped')
    ),
  ],
  [
    'delete of what runs',
    context => (started(context), failsWith(context.call('delete', context.id), /not stopped|running/)),
  ],
  [
    'delete, and again',
    context => {
      started(context);
      context.call('kill', context.id, 'KILL');
      waitFor(context, 'stopped');
      return (
        succeeds(context.call('delete', context.id)) ??
        failsWith(context.call('delete', context.id), /does not exist/)
      );
    },
  ],
  [
    'delete of what is created',
    context => (context.create(), succeeds(context.call('delete', '--force', context.id))),
  ],
  ['delete --force of an unknown id', ({ call }) => succeeds(call('delete', '--force', 'unknown'))],
  [
    'exec: the exit code',
    context => (
      started(context),
      context.call('exec', context.id, 'sh', '-c', 'exit 7').status === 7 ? undefined : 'another one'
    ),
  ],
  [
    'exec of a missing command',
    context => (started(context), failsWith(context.call('exec', context.id, 'nosuch'), /not found in/)),
  ],
  [
    'exec --user, --cwd, --env',
    context => {
      started(context);
      const { stdout } = context.call(
        'exec',
        '--user',
        '5:6',
        '--cwd',
        '/tmp',
        '--env',
        'Q=r',
        context.id,
        'sh',
        '-c',
        'echo $(id -u) $(id -g) $PWD $Q',
      );
      return stdout.trim() === '5 6 /tmp r' ? undefined : stdout;
    },
  ],
  [
    'exec in what is created',
    context => (context.create(), failsWith(context.call('exec', context.id, 'true'), /./)),
  ],
  [
    'pause: the status is "paused"',
    context => (started(context), context.call('pause', context.id), waitFor(context, 'paused')),
  ],
  [
    'resume',
    context => (
      started(context),
      context.call('pause', context.id),
      context.call('resume', context.id),
      waitFor(context, 'running')
    ),
  ],
  [
    'delete --force of what is paused',
    context => (
      started(context),
      context.call('pause', context.id),
      succeeds(context.call('delete', '--force', context.id))
    ),
  ],
  [
    'ps --format json',
    context => (
      started(context),
      JSON.parse(context.call('ps', '--format', 'json', context.id).stdout).length > 0 ? undefined : 'none'
    ),
  ],
  [
    'list --format json',
    context => (
      started(context),
      JSON.parse(context.call('list', '--format', 'json').stdout).some(({ id }) => id === context.id)
        ? undefined
        : 'not there'
    ),
  ],
  [
    'update --pids-limit',
    context => (started(context), succeeds(context.call('update', '--pids-limit', '20', context.id))),
  ],
  [
    'events --stats',
    context => (
      started(context),
      JSON.parse(context.call('events', '--stats', context.id).stdout).type === 'stats'
        ? undefined
        : 'no stats'
    ),
  ],
  [
    'features',
    ({ call }) =>
      JSON.parse(call('features').stdout).ociVersionMin === undefined ? 'no ociVersionMin' : undefined,
  ],
  ['--version', ({ call }) => (/ version /.test(call('--version').stdout) ? undefined : 'no version')],
];
