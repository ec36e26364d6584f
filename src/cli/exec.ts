import { UserError } from '../base/errors.ts';
import { SIG } from '../linux/constants.generated.ts';
import { duplicate } from '../native/execute.ts';
import { ContainerStartError } from '../runtime/container.ts';
import { chooseContainer, type RunningExec, startExec } from '../runtime/exec.ts';
import { readAll, readTerminal } from '../runtime/streams.ts';
import { askedPod } from './asked-pod.ts';
import { DEFAULT_DETACH_KEYS, DetachKeys, parseDetachKeys } from './detach-keys.ts';
import { type Args, flag, type Io, text } from './io.ts';
import { Output } from './output.ts';
import { requireRoot } from './root.ts';
import { StdinConnection } from './stdin.ts';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

export async function run(args: Args, io: Io): Promise<number> {
  requireRoot();
  if (args.rest.length === 0)
    throw new UserError('you must specify at least one command for the container', {
      hint: 'podspace exec POD -- COMMAND',
    });
  const { record } = await askedPod(args, io, 'create', 'exec');
  const container = chooseContainer(record, text(args, 'container'));
  if (text(args, 'container') === undefined && record.containers.length > 1) {
    io.err(
      `Defaulted container "${container.name}" out of: ${record.containers.map(({ name }) => name).join(', ')}\n`,
    );
  }
  const keys = parseDetachKeys(text(args, 'detach-keys') ?? DEFAULT_DETACH_KEYS);
  const isDetachable = flag(args, 'stdin') && flag(args, 'tty') && process.stdin.isTTY && keys.length > 0;
  let detach = (): void => {};
  const detached = new Promise<undefined>(resolve => {
    detach = () => resolve(undefined);
  });
  const stdin = new StdinConnection({
    isInteractive: flag(args, 'stdin'),
    isTerminal: flag(args, 'tty'),
    ...(isDetachable ? { filter: new DetachKeys(keys, detach) } : {}),
  });
  let running: RunningExec;
  try {
    running = await startExec({
      hostRoot: record.hostRoot,
      container,
      command: args.rest,
      terminal: flag(args, 'tty'),
      consoleSize: stdin.consoleSize,
      stdin: flag(args, 'stdin'),
      isDetachable,
    });
  } catch (error) {
    // What containerd answers to a command that cannot be started; the shell's own codes are for shells.
    if (error instanceof ContainerStartError)
      throw new UserError(`failed to exec in container: ${error.message}`, { cause: error });
    throw error;
  }
  const output = new Output(() => running.signal(SIG.SIGPIPE));
  const listeners = FORWARDED.map(name => [name, () => running.signal(SIG[name])] as const);
  for (const [name, listener] of listeners) process.on(name, listener);
  try {
    const { streams } = running;
    const master = isDetachable && streams.terminal !== undefined ? duplicate(streams.terminal) : undefined;
    const reading =
      streams.terminal === undefined
        ? [
            readAll(streams.stdout ?? -1, chunk => output.write('stdout', chunk)),
            readAll(streams.stderr ?? -1, chunk => output.write('stderr', chunk)),
          ]
        : [readTerminal(streams.terminal, chunk => output.write('stdout', chunk))];
    stdin.connect(streams);
    const exit = await Promise.race([running.exit, detached]);
    if (exit === undefined) {
      if (master !== undefined) (await import('../runtime/drain.ts')).drainInBackground(master);
      return 0;
    }
    // A child that it left in the background may hold the pipes for ever; its output after the end is not ours.
    await Promise.race([Promise.all(reading), new Promise(resolve => setTimeout(resolve, 100))]);
    return output.exitCode(exit.exitCode);
  } finally {
    stdin.close();
    for (const [name, listener] of listeners) process.off(name, listener);
  }
}
