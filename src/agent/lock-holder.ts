import { readFileSync, statSync } from 'node:fs';

/** `1: FLOCK  ADVISORY  WRITE 4711 00:1a:1234 0 EOF` (proc(5)). */
const LOCK = /^\d+: FLOCK +\S+ +\S+ (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /;

/** The process that holds the lock of an agent's file, by the kernel's list: undefined if nobody does. */
export function lockHolder(path: string): number | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
    const [, pid = '', inode = ''] = LOCK.exec(line) ?? [];
    // Inodes of several file systems may have one number: an agent's command line says what it is.
    if (inode === String(stat.ino) && isAgent(Number(pid))) return Number(pid);
  }
  return undefined;
}

function isAgent(pid: number): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes('agent') && words.includes('--foreground');
  } catch {
    return false;
  }
}
