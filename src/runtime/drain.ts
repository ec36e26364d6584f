import { spawn } from 'node:child_process';
import { F, OPEN_FLAGS } from '../linux/constants.generated.ts';
import { syscall } from '../native/libc.ts';
import { shimFd } from '../native/shim.ts';

/**
 * Leaves a terminal to a process of its own (podspace-shim as /drain), which reads what is printed there until the last
 * process at the terminal has ended. So those get no hang-up when we are gone, and never wait for a reader.
 */
export function drainInBackground(terminal: number): void {
  // libuv has made the master O_NONBLOCK, for all who share it; the shim just waits.
  syscall('fcntl', [terminal, F.F_SETFL, OPEN_FLAGS.O_RDWR[0]]);
  spawn(`/proc/self/fd/${shimFd()}`, [], {
    argv0: '/drain',
    stdio: [terminal, 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: {},
  }).unref();
}
