/** Jobs on the calling thread, one after another: for the reference back end, for tests, and inside a browser's own worker. */
import type { Kernels } from '../kernels/kernels.js';
import { JobExecutor } from '../program/execute.js';
import { compactJob } from './compact.js';
import type { JobRequest, JobRunner } from './job.js';

/** Longest time without a turn of the event loop between jobs. A turn costs a timer's millisecond, more than a small job. */
const kTurnMs = 10;

export function createInlineRunner(kernels: Kernels): JobRunner {
  const executor = new JobExecutor(kernels);
  let lastTurn = performance.now();
  return {
    workers: 1,
    async run(job: JobRequest, signal?: AbortSignal) {
      // Signals and progress are to be seen while jobs follow one another.
      if (performance.now() - lastTurn > kTurnMs) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        lastTurn = performance.now();
      }
      signal?.throwIfAborted();
      executor.run(compactJob(job));
    },
    async dispose() {
      executor.dispose();
    },
  };
}
