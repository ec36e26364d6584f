import { fstatSync, statSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileFailure, formatUserError, UserError } from '../base/errors.ts';
import { DEFAULT_ROOTS, rootsAt } from '../oci/pod-paths.ts';
import type { Io } from './io.ts';
import { type Parsed, parseArguments } from './parse.ts';
import { version } from './version.ts';

/** Synchronous writes, so that nothing is lost at exit and nothing is reordered between the two streams. */
function write(fd: number, bytes: Uint8Array): void {
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      // Whoever read our output is gone: the rest is of no interest, and that is no error (`podspace ps | head`).
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function makeIo(parsed: Parsed): Io {
  const values = parsed.kind === 'command' ? parsed.args.values : {};
  const wants = values.color !== false && (process.env.NO_COLOR ?? '') === '';
  const root = values.root;
  return {
    stdin: 0,
    out: text => write(1, Buffer.from(text)),
    outBytes: bytes => write(1, bytes),
    err: text => write(2, Buffer.from(text)),
    isTerminal: isTerminal(2),
    color: { out: wants && isTerminal(1), err: wants && isTerminal(2) },
    roots: typeof root === 'string' ? rootsAt(stateDirectory(root)) : DEFAULT_ROOTS,
    verbose: values.verbose === true,
  };
}

function stateDirectory(path: string): string {
  let isDirectory: boolean | undefined;
  try {
    isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory();
  } catch (cause) {
    throw new UserError(`option --root: cannot read "${path}": ${fileFailure(cause)}`, { cause });
  }
  if (isDirectory === false) throw new UserError(`option --root: "${path}" is not a directory`);
  return resolve(path);
}

/** Terminals by their major numbers (the kernel's devices.txt): node:tty takes 4 ms to load. */
const TERMINALS = new Set([4, 5, ...Array.from({ length: 8 }, (_, i) => 136 + i)]);

function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    return stat.isCharacterDevice() && TERMINALS.has(stat.rdev >> 8);
  } catch {
    return false;
  }
}

async function dispatch(parsed: Parsed, io: Io, argv: readonly string[]): Promise<number> {
  switch (parsed.kind) {
    case 'version':
      io.out(`podspace ${version()}\n`);
      return 0;
    case 'help':
      io.out(await (await import('./help.ts')).helpText(parsed.command));
      return 0;
    case 'completion':
      await (await import('./help.ts')).complete(argv);
      return 0;
    case 'command':
      return (await parsed.spec.load()).run(parsed.args, io);
  }
}

/** The last word, which may be impossible too. */
function complain(text: string): void {
  try {
    write(2, Buffer.from(text));
  } catch {
    // the exit code still tells
  }
}

/** sysexits.h: an error of the program itself. */
const EX_SOFTWARE = 70;

/** Runs one command line and returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  // Node would print the line of source, which in a bundle is all of it.
  process.once('uncaughtException', error => {
    complain(`${describe(error, argv)}hint: podspace gc removes what this may have left\n`);
    process.exit(EX_SOFTWARE);
  });
  try {
    const parsed = parseArguments(argv);
    return await dispatch(parsed, makeIo(parsed), argv);
  } catch (error) {
    complain(describe(error, argv));
    return 1;
  }
}

function describe(error: unknown, argv: readonly string[]): string {
  const isColored = isTerminal(2) && (process.env.NO_COLOR ?? '') === '';
  const red = isColored ? '\u001b[31merror:\u001b[39m ' : 'error: ';
  if (error instanceof UserError) {
    const line = error.label === undefined ? `${red}${error.message}` : formatUserError(error);
    return `${line}\n${error.hint === undefined ? '' : `hint: ${error.hint}\n`}`;
  }
  const text = error instanceof Error ? error.message : String(error);
  const isLoud =
    argv.includes('-v') || argv.includes('--verbose') || process.env.PODSPACE_DEBUG !== undefined;
  const stack = isLoud && error instanceof Error ? `${error.stack ?? ''}\n` : '';
  return `${red}${text}\n${stack || 'hint: -v shows where this came from\n'}`;
}
