/** The longest that Node's timers can wait, about 24 days; a longer one would end at once. */
const MAX_WAIT = 2 ** 31 - 1;

/** Calls back after any time; returns how to stop that. */
export function startTimer(milliseconds: number, callback: () => void): () => void {
  let timer: NodeJS.Timeout;
  const wait = (left: number): void => {
    timer = setTimeout(
      () => (left > MAX_WAIT ? wait(left - MAX_WAIT) : callback()),
      Math.min(left, MAX_WAIT),
    );
  };
  wait(milliseconds);
  return () => clearTimeout(timer);
}

/** When a time of Date.now() was, on the clock that nobody sets (performance.now()): now at the latest, whatever the other one says. */
export const steadyTime = (time: number): number => performance.now() - Math.max(0, Date.now() - time);
