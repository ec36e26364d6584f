import { spawn } from 'node:child_process';
import { UserError } from '../base/errors.ts';

/** Of what cp(1) says only the first line is told. */
const MAX_STDERR = 1 << 16;

/**
 * Copies what is in a directory, by cp(1): owners, modes, times, hard links, extended attributes and devices included. The source
 * is a path, or a directory's fd. Returns what cp complained about, or undefined.
 */
export async function copyDirectory(
  source: string | number,
  target: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const [from, fds] = typeof source === 'string' ? [source, []] : ['/proc/self/fd/3', [source]];
  const child = spawn('cp', ['-a', '--reflink=auto', '--', `${from}/.`, target], {
    stdio: ['inherit', 'ignore', 'pipe', ...fds],
    ...(signal && { signal }),
  });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < MAX_STDERR) stderr += text;
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', cause =>
      reject(new UserError(signal?.aborted ? 'interrupted' : `cannot run cp: ${cause.message}`, { cause })),
    );
    child.on('close', resolve);
  });
  return status === 0 ? undefined : stderr.trim().split('\n')[0] || 'cp failed';
}
