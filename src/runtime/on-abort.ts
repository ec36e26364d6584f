const callbacks = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when the signal is aborted, at once if it is already; returns how to stop that. One listener for all pods
 * that share a signal: Node warns of a leak at the eleventh.
 */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return () => {};
  if (signal.aborted) {
    callback();
    return () => {};
  }
  const known = callbacks.get(signal) ?? new Set();
  if (!callbacks.has(signal)) {
    callbacks.set(signal, known);
    signal.addEventListener('abort', () => [...known].forEach(call => void call()), { once: true });
  }
  known.add(callback);
  return () => known.delete(callback);
}

/** Waits, but not longer than until the signal is aborted. */
export async function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  let wake = (): void => {};
  const woken = new Promise<void>(resolve => {
    wake = resolve;
  });
  const timer = setTimeout(wake, milliseconds);
  const ignoreAbort = onAbort(signal, wake);
  await woken;
  clearTimeout(timer);
  ignoreAbort();
}
