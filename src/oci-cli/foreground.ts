import { SIG } from '../linux/constants.generated.ts';
import { signalPidfd } from '../native/execute.ts';

const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const;

/** What we are told is meant for the process that we wait for. */
export function forwardSignals(pidfd: number): void {
  for (const name of FORWARDED)
    process.on(name, () => {
      try {
        signalPidfd(pidfd, SIG[name]);
      } catch {
        // it has ended, and so do we
      }
    });
}
