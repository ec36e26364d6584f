/** The first file descriptor that systemd hands over (sd_listen_fds(3)). */
const FIRST = 3;

/**
 * The socket that systemd listens on for this process, if it does. What says so is taken out of the environment: it is not
 * for the processes that this one starts.
 */
export function activatedSocket(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { LISTEN_PID, LISTEN_FDS } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  return LISTEN_PID === String(pid) && Number(LISTEN_FDS) > 0 ? FIRST : undefined;
}
