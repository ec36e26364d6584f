import { onAbort } from '../on-abort.ts';
import { startTimer } from '../timer.ts';

/** How long something may take: its time, and whoever wants it no more. */
export interface Limit {
  readonly signal: AbortSignal;
  /** In seconds; undefined without one. */
  readonly seconds: number | undefined;
  /** The time was up; false where `signal` was aborted because the result is not wanted. */
  readonly isTimeUp: boolean;
}

/** Runs something with so many seconds for all of it, or without a limit of its own. */
export async function withLimit<T>(
  seconds: number | undefined,
  parent: AbortSignal,
  body: (limit: Limit) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const limit = { signal: controller.signal, seconds, isTimeUp: false };
  const ignoreAbort = onAbort(parent, () => controller.abort());
  const stopTimer =
    seconds === undefined
      ? undefined
      : startTimer(seconds * 1000, () => {
          limit.isTimeUp = true;
          controller.abort();
        });
  try {
    return await body(limit);
  } finally {
    stopTimer?.();
    ignoreAbort();
  }
}

/** The limit was reached. */
export class LimitReached extends Error {
  constructor() {
    super('the limit was reached');
  }
}

/** Waits for a deed, but not beyond the limit; `discard` takes what comes of it later. Throws {@link LimitReached} then. */
export function within<T>(
  limit: Pick<Limit, 'signal'>,
  deed: Promise<T>,
  discard?: (value: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const ignoreAbort = onAbort(limit.signal, () => {
      isOver = true;
      reject(new LimitReached());
    });
    deed.then(
      value => {
        ignoreAbort();
        if (isOver) discard?.(value);
        else resolve(value);
      },
      error => {
        ignoreAbort();
        reject(error);
      },
    );
  });
}

/** A whole number of seconds as Go prints a time.Duration: `1m30s`. */
export function goDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const rest = `${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
