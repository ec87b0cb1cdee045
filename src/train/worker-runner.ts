/**
 * Jobs on worker threads, each with its own WASM instance. Shared arrays are used in place where the host has them; without
 * (a page that is not cross-origin isolated) arrays are copied, and of the examples the client's part alone.
 */
import { isShared } from '../data/shared-memory.js';
import type { AnyArray } from '../kernels/buffer.js';
import { isBound, isResult } from '../program/execute.js';
import type { JobProgram } from '../program/tape.js';
import { compactJob } from './compact.js';
import type { JobRequest, JobRunner } from './job.js';
import { createWorkerPool } from './worker-pool.js';
import type { WorkerTask } from './worker-protocol.js';

export interface WorkerRunner extends JobRunner {
  /** Rejects where the threads cannot start. */
  readonly ready: Promise<void>;
}

/** @param setup - the back end of the threads: `{ type: 'wasm', module }` or `{ type: 'reference', profile }`. */
export function createWorkerRunner(workers: number, setup: WorkerTask): WorkerRunner {
  const pool = createWorkerPool(workers, setup);
  const numbers = new WeakMap<JobProgram, number>();
  let count = 0;
  const numberOf = (program: JobProgram): number => {
    const number = numbers.get(program) ?? count++;
    numbers.set(program, number);
    return number;
  };
  return {
    workers,
    ready: pool.ready,
    async run(job: JobRequest, signal?: AbortSignal) {
      signal?.throwIfAborted();
      const { program: definition, ...own } = sendable(hasSharedExamples(job) ? job : compactJob(job));
      const program = numberOf(definition);
      const results = (await pool.submit((sent) => {
        const known = sent.has(program);
        sent.add(program);
        return { type: 'job', job: own, program, ...(known ? {} : { definition }) };
      })) as Record<string, AnyArray>;
      for (const [name, values] of Object.entries(results)) job.bindings[name].set(values as never);
    },
    dispose: () => pool.dispose(),
  };
}

function hasSharedExamples({ program, bindings }: JobRequest): boolean {
  return program.spaces.every(
    ({ name, role }) => (role !== 'examples' && role !== 'labels') || isShared(bindings[name]),
  );
}

/**
 * The job with what its thread needs: bindings that it reads or that are wanted of it. Views that are not shared are sent
 * alone, as cloning a small view would clone the whole buffer behind it; results too, as their memory comes back.
 */
function sendable(job: JobRequest): JobRequest {
  const { program, index, results } = job;
  const bindings: Record<string, AnyArray> = {};
  for (const space of program.spaces) {
    const array = job.bindings[space.name];
    if (array === undefined || !isBound(space, results)) continue;
    const asIs = isResult(space, results) ? isShared(array) : isWhole(array);
    bindings[space.name] = asIs ? array : array.slice();
  }
  return { ...job, bindings, index: isWhole(index) ? index : index.slice() };
}

const isWhole = (array: AnyArray): boolean => isShared(array) || array.byteLength === array.buffer.byteLength;
