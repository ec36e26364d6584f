import { UserError } from '../base/errors.ts';
import { SIG } from '../linux/constants.generated.ts';
import { ContainerStartError } from '../runtime/container.ts';
import { chooseContainer, type RunningExec, startExec } from '../runtime/exec.ts';
import { findRunningPod } from '../runtime/pod-directory.ts';
import { readAll, readTerminal } from '../runtime/streams.ts';
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
  const { record } = findRunningPod(io.roots, text(args, 'pod') ?? '');
  const container = chooseContainer(record, text(args, 'container'));
  if (text(args, 'container') === undefined && record.containers.length > 1) {
    io.err(
      `Defaulted container "${container.name}" out of: ${record.containers.map(({ name }) => name).join(', ')}\n`,
    );
  }
  const stdin = new StdinConnection({ isInteractive: flag(args, 'stdin'), isTerminal: flag(args, 'tty') });
  let running: RunningExec;
  try {
    running = await startExec({
      hostRoot: record.hostRoot,
      container,
      command: args.rest,
      terminal: flag(args, 'tty'),
      consoleSize: stdin.consoleSize,
      stdin: flag(args, 'stdin'),
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
    const reading =
      streams.terminal === undefined
        ? [
            readAll(streams.stdout ?? -1, chunk => output.write('stdout', chunk)),
            readAll(streams.stderr ?? -1, chunk => output.write('stderr', chunk)),
          ]
        : [readTerminal(streams.terminal, chunk => output.write('stdout', chunk))];
    stdin.connect(streams);
    const exit = await running.exit;
    // A child that it left in the background may hold the pipes for ever; its output after the end is not ours.
    await Promise.race([Promise.all(reading), new Promise(resolve => setTimeout(resolve, 100))]);
    return output.exitCode(exit.exitCode);
  } finally {
    stdin.close();
    for (const [name, listener] of listeners) process.off(name, listener);
  }
}
