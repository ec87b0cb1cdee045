/** Jobs on the calling thread, one after another: for the reference back end, for tests, and inside a browser's own worker. */
import type { Kernels } from '../kernels/kernels.js';
import { runJob } from '../program/execute.js';
import { compactJob } from './compact.js';
import type { JobRequest, JobRunner } from './job.js';

export function createInlineRunner(kernels: Kernels): JobRunner {
  return {
    workers: 1,
    async run(job: JobRequest, signal?: AbortSignal) {
      // A turn of the event loop between jobs, so that signals and progress are seen.
      await new Promise((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
      runJob(kernels, compactJob(job));
    },
    async dispose() {},
  };
}
