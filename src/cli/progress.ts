import type { Io } from './io.ts';

const FIRST_AFTER = 800;
const EVERY = 200;

/** Says on a terminal that long work goes on, and for how long; the line goes away at its end. */
export async function withProgress<T>(io: Io, what: string, work: Promise<T>): Promise<T> {
  if (!io.isTerminal) return work;
  const start = Date.now();
  let isShown = false;
  const timer = setInterval(() => {
    const milliseconds = Date.now() - start;
    if (milliseconds < FIRST_AFTER) return;
    isShown = true;
    io.err(`\r${what} … ${Math.floor(milliseconds / 1000)} s`);
  }, EVERY);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (isShown) io.err('\r\u001b[K');
  }
}
