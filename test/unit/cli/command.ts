import { resolve } from 'node:path';
import { formatUserError, UserError } from '../../../src/base/errors.ts';
import type { Io } from '../../../src/cli/io.ts';
import { parseArguments } from '../../../src/cli/parse.ts';
import { rootsAt } from '../../../src/oci/pod-paths.ts';

// The command is a CJS bundle in dist/: from there it finds its package.
Object.assign(globalThis, { __filename: resolve('dist/podspace-main.cjs') });

export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Runs a command that touches nothing, as `main` does; nothing is stored unless `root` says where. */
export async function command(
  words: readonly string[],
  {
    root = '/nonexistent',
    hasColor = false,
    onOut = () => {},
  }: {
    readonly root?: string;
    readonly hasColor?: boolean;
    /** What is printed, when it is. */
    readonly onOut?: (text: string) => void;
  } = {},
): Promise<Printed> {
  let [stdout, stderr] = ['', ''];
  const io: Io = {
    stdin: 0,
    out: text => {
      onOut(text);
      stdout += text;
    },
    outBytes: bytes => {
      stdout += Buffer.from(bytes).toString();
    },
    err: text => {
      stderr += text;
    },
    isTerminal: false,
    color: { out: hasColor, err: hasColor },
    roots: rootsAt(root),
    verbose: false,
  };
  try {
    const parsed = parseArguments(words);
    if (parsed.kind !== 'command') throw new Error(`no command: ${words.join(' ')}`);
    const exitCode = await (await parsed.spec.load()).run(parsed.args, io);
    return { stdout, stderr, exitCode };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const hint = error.hint === undefined ? '' : `hint: ${error.hint}\n`;
    return { stdout, stderr: `${stderr}${formatUserError(error)}\n${hint}`, exitCode: 1 };
  }
}
