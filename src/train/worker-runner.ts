/** Jobs on worker threads, each with its own WASM instance (no shared memory, no cross-origin isolation needed). */
import type { AnyArray } from '../kernels/buffer.js';
import type { JobProgram } from '../program/tape.js';
import { compactJob } from './compact.js';
import type { JobRequest, JobRunner } from './job.js';
import { createWorkerPool } from './worker-pool.js';
import type { WorkerTask } from './worker-protocol.js';

const kWritten: ReadonlySet<string> = new Set(['slot', 'gradient', 'state', 'totals']);

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
      const { program: definition, ...own } = ownedBindings(compactJob(job));
      const program = numberOf(definition);
      const results = (await pool.submit((sent) => {
        const known = sent.has(program);
        sent.add(program);
        return { type: 'job', job: own, program, ...(known ? {} : { definition }) };
      })) as Record<string, AnyArray>;
      for (const { name, role } of job.program.spaces)
        if (kWritten.has(role)) job.bindings[name].set(results[name] as never);
    },
    dispose: () => pool.dispose(),
  };
}

/** Views that are sent alone: cloning a small view would clone the whole buffer behind it. Written spaces never share memory. */
function ownedBindings(job: JobRequest): JobRequest {
  const bindings = Object.fromEntries(
    job.program.spaces.flatMap(({ name, role }) => {
      const array = job.bindings[name];
      if (array === undefined) return [];
      const whole = array.byteLength === array.buffer.byteLength;
      const keep = whole && (!kWritten.has(role) || array.buffer instanceof ArrayBuffer);
      return [[name, keep ? array : ownCopy(array)]];
    }),
  );
  return { ...job, bindings };
}

function ownCopy(array: AnyArray): AnyArray {
  const Type = array.constructor as new (length: number) => AnyArray;
  const copy = new Type(array.length);
  copy.set(array as never);
  return copy;
}
