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

/** Since a time of Date.now(). */
export const secondsSince = (start: number): number => (Date.now() - start) / 1000;
