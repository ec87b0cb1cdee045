/** Starts work in order, at most `window` pieces ahead, and hands the results back in order whatever finishes first. */
export async function* inOrder<T>(
  count: number,
  window: number,
  start: (slot: number) => Promise<T>,
): AsyncGenerator<{ slot: number; result: T }> {
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
