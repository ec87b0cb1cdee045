/** The page's side of merger.js: a promise for each job. */

/** @param onCrash - called with the message of a worker that ended by itself. */
export function createMerger(onCrash) {
  const worker = new Worker(new URL('merger.js', import.meta.url), { type: 'module' });
  const waiting = new Map();
  let next = 0;
  worker.addEventListener('message', ({ data: { id, progress, result, error } }) => {
    const job = waiting.get(id);
    if (progress) {
      job.onProgress?.(progress);
      return;
    }
    waiting.delete(id);
    if (error) job.reject(error);
    else job.resolve(result);
  });
  worker.addEventListener('error', ({ message }) => {
    const error = { problem: message || 'The worker did not load.' };
    for (const job of waiting.values()) job.reject(error);
    waiting.clear();
    onCrash(error);
  });
  return {
    /** Rejects with `{ code, problem, hint, stopped }`. */
    run(job, input, onProgress) {
      const id = next++;
      worker.postMessage({ id, job, ...input });
      return new Promise((resolve, reject) => waiting.set(id, { resolve, reject, onProgress }));
    },
    /** Ends a merge after the chunk at hand. */
    stop: () => worker.postMessage({ job: 'stop' }),
  };
}
