import { existsSync, writeFileSync } from 'node:fs';
import { UserError } from '../base/errors.ts';
import { COMMANDS } from './commands.ts';
import { complain, logTo } from './log.ts';
import { Arguments, type OptionSpec, parseOptions } from './options.ts';

const GLOBAL: readonly OptionSpec[] = [
  { long: 'root', kind: 'value' },
  { long: 'log', kind: 'value' },
  { long: 'log-format', kind: 'value' },
  { long: 'log-level', kind: 'value' },
  { long: 'cgroup-manager', kind: 'value' },
  { long: 'rootless', kind: 'value' },
  { long: 'debug', kind: 'switch' },
  { long: 'systemd-cgroup', kind: 'switch' },
  { long: 'version', short: 'v', kind: 'switch' },
  { long: 'help', short: 'h', kind: 'switch' },
];

const DEFAULT_ROOT = '/run/podspace-runtime';

/** Runs one command line of an OCI runtime; returns the exit code. */
export async function main(argv: readonly string[], version: string): Promise<number> {
  try {
    const { options, rest } = parseOptions(argv, GLOBAL);
    const text = (name: string): string | undefined => options.get(name)?.at(-1);
    setLog(text('log'), text('log-format') ?? 'text');
    if (text('version') === 'true') return print(`podspace-runtime version ${version}\nspec: 1.2.0\n`);
    const [name, ...words] = rest;
    if (text('help') === 'true' || name === 'help' || name === undefined) return print(usage());
    refuse(text);
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined)
      throw new UserError(`unknown command ${JSON.stringify(name)}`, { hint: 'podspace-runtime --help' });
    if (process.geteuid?.() !== 0) throw new UserError('podspace-runtime needs root');
    return await command.run(new Arguments(words, command.options), text('root') ?? DEFAULT_ROOT);
  } catch (error) {
    complain(describe(error));
    return 1;
  }
}

function setLog(file: string | undefined, format: string): void {
  if (format !== 'text' && format !== 'json')
    throw new UserError(`option --log-format: ${JSON.stringify(format)} is neither text nor json`);
  logTo(file === '' ? undefined : file, format);
}

function refuse(text: (name: string) => string | undefined): void {
  if (text('systemd-cgroup') === 'true')
    throw new UserError(
      existsSync('/run/systemd/system')
        ? 'option --systemd-cgroup: the systemd cgroup driver is not supported'
        : 'option --systemd-cgroup: systemd is not running on this machine',
      { hint: 'use the driver cgroupfs' },
    );
  const manager = text('cgroup-manager') ?? 'cgroupfs';
  if (manager !== 'cgroupfs') throw new UserError(`option --cgroup-manager: "${manager}" is not supported`);
  if (text('rootless') === 'true') throw new UserError('option --rootless: needs root');
}

function usage(): string {
  return `usage: podspace-runtime [--root DIR] [--log FILE] [--log-format text|json] COMMAND [OPTION…] ID\ncommands: ${Object.keys(COMMANDS).join(', ')}\n`;
}

function print(text: string): number {
  writeFileSync(1, text);
  return 0;
}

function describe(error: unknown): string {
  if (error instanceof UserError)
    return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  const isLoud = process.env.PODSPACE_DEBUG !== undefined;
  return error instanceof Error ? ((isLoud ? error.stack : undefined) ?? error.message) : String(error);
}
