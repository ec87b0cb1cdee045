/** What runs a local job: the native pool, WASM workers, or the calling thread. */
import type { RandomKey } from '../kernels/address.js';
import type { JobProgram } from '../program/tape.js';

export type SpaceArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/**
 * One job. Every space of the program but `arena` and `index` is bound by name to an array of the space's dtype and at least
 * its length; `slot`, `gradient`, `state` and `totals` are written, the rest only read. Arrays on a SharedArrayBuffer are used in place
 * by every runner; others are used in place by the native pool and copied to and from workers.
 * The caller leaves bound arrays alone until the promise settles.
 */
export interface JobRequest {
  readonly program: JobProgram;
  readonly bindings: Readonly<Record<string, SpaceArray>>;
  /**
   * The written spaces that the caller reads afterwards; default: all. What the others hold before and after the job is
   * undefined, so that a runner with memory of its own need not copy them.
   */
  readonly results?: readonly string[];
  /** Example numbers of this job (into `examples`), before shuffling. */
  readonly index: Uint32Array;
  /** Passes over the examples; with `steps`, the pass in which the steps end is cut short. */
  readonly epochs: number;
  readonly steps?: number;
  /** Epoch e runs in the order `permutationU32(key, step e, site 0)`; absent: in index order. */
  readonly shuffle?: RandomKey;
  /** Start values of the program's run-time scalars, in its order. */
  readonly scalars: readonly number[];
}

export interface JobRunner {
  readonly workers: number;
  /** Resolves when the job's outputs are written. Rejects with the first error; an aborted job rejects with the signal's reason. */
  run(job: JobRequest, signal?: AbortSignal): Promise<void>;
  dispose(): Promise<void>;
}
