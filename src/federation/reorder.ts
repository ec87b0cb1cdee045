import { InvalidArgumentError } from '../errors.js';

/**
 * Starts work in order, at most `window` pieces ahead, and hands the results back in order whatever finishes first.
 *
 * The first failure in order is thrown, after everything that was started has settled; nothing is started after it. A consumer
 * that leaves early waits for what runs.
 *
 * @param count - pieces of work. @param window - pieces started and not yet handed back at any time, >= 1.
 * @throws {InvalidArgumentError} for a count or window that is no such number.
 */
export async function* inOrder<T>(
  count: number,
  window: number,
  start: (slot: number) => Promise<T>,
): AsyncGenerator<{ slot: number; result: T }> {
  if (!(Number.isSafeInteger(count) && count >= 0))
    throw new InvalidArgumentError('inOrder', 'count', 'an integer of at least 0', count);
  if (!(Number.isSafeInteger(window) && window >= 1))
    throw new InvalidArgumentError('inOrder', 'window', 'an integer of at least 1', window);
  const running: Promise<T>[] = [];
  let next = 0;
  try {
    for (let slot = 0; slot < count; slot++) {
      while (next < count && next < slot + window) {
        const promise = start(next);
        // A later failure must not be reported as unhandled while an earlier result is still awaited.
        promise.catch(() => {});
        running[next++] = promise;
      }
      const result = await running[slot];
      delete running[slot];
      yield { slot, result };
    }
  } finally {
    await Promise.allSettled(running);
  }
}
