import { spawn } from 'node:child_process';
import { PODSPACE } from './harness.ts';

export interface Typist {
  /** What is written is typed. */
  write(text: string): void;
  /** Waits until the screen shows it, counted from what the last wait has seen. */
  waitFor(text: string): Promise<void>;
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** Words as a shell command. */
export const shellCommand = (words: readonly string[]): string => words.map(quoted).join(' ');

/** A shell command that runs podspace. */
export const podspaceCommand = (args: readonly string[]): string =>
  shellCommand([process.execPath, PODSPACE, ...args]);

/** Runs a shell command under a terminal of 33 rows and 77 columns, which script(1) makes. */
export async function underTerminal(
  command: string,
  type: (typist: Typist) => Promise<void>,
): Promise<{ readonly output: string; readonly status: number | null }> {
  const child = spawn('script', ['-qefc', `stty rows 33 cols 77; ${command}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let output = '';
  let seen = 0;
  child.stdout.on('data', chunk => (output += chunk));
  const waitFor = async (text: string): Promise<void> => {
    for (let i = 0; i < 400 && !output.includes(text, seen); i++)
      await new Promise(done => setTimeout(done, 20));
    if (!output.includes(text, seen)) {
      child.kill();
      throw new Error(`"${text}" did not come: ${JSON.stringify(output)}`);
    }
    seen = output.indexOf(text, seen) + text.length;
  };
  const ended = new Promise<number | null>(done => child.on('close', done));
  await type({ write: text => child.stdin.write(text), waitFor });
  return { status: await ended, output };
}
