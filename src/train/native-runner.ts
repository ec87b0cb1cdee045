/** Jobs on the addon's thread pool: a whole local job is one native call. */
import { InvalidArgumentError } from '../errors.js';
import { NativeKernelError } from '../kernels/errors.js';
import { chooseLevel, type NativeAddon } from '../kernels/native.js';
import { encodeJobProgram, type JobProgram } from '../program/tape.js';
import type { JobRequest, JobRunner, SpaceArray } from './job.js';

type Pool = { readonly pool: unique symbol };
type Program = { readonly program: unique symbol };

interface RunningJob {
  /** True when the job ran to its end, false when it was cancelled. */
  promise: Promise<boolean>;
  cancel(): void;
}

/** The part of the addon that runs jobs (native/addon/jobs.cpp). */
interface JobsAddon {
  createPool(workers: number): Pool;
  destroyPool(pool: Pool): void;
  compileProgram(words: Float64Array, level: string, fastPaths: boolean): Program;
  runJob(
    pool: Pool,
    program: Program,
    spaces: readonly (SpaceArray | null)[],
    index: Uint32Array,
    options: { epochs: number; steps?: number; key0?: number; key1?: number; scalars: Float64Array },
  ): RunningJob;
}

export interface NativeRunnerOptions {
  /** Threads of the pool, 1 to 1024. */
  workers: number;
  /** Instruction set. Default: the fastest that runs here. */
  isa?: string;
  /** Fused and re-laid-out forms of known op sequences, with the same bits as without. Default: true. */
  fastPaths?: boolean;
}

/** @throws {BackendUnavailableError} if the instruction set cannot run here. */
export function createNativeRunner(native: NativeAddon, options: NativeRunnerOptions): JobRunner {
  const { workers, isa, fastPaths = true } = options;
  if (!(Number.isInteger(workers) && workers >= 1 && workers <= 1024))
    throw new InvalidArgumentError('createNativeRunner', 'workers', 'an integer from 1 to 1024', workers);
  const addon = native as NativeAddon & JobsAddon;
  const level = chooseLevel(native, isa);
  const pool = addon.createPool(workers);
  const programs = new WeakMap<JobProgram, Program>();
  const whenAborted = abortListeners();

  const compiled = (program: JobProgram): Program => {
    let known = programs.get(program);
    if (!known) {
      known = addon.compileProgram(encodeJobProgram(program), level.name, fastPaths);
      programs.set(program, known);
    }
    return known;
  };

  return {
    workers,
    async run(job: JobRequest, signal?: AbortSignal) {
      signal?.throwIfAborted();
      const { program, bindings, shuffle } = job;
      const spaces = program.spaces.map(({ name }) => bindings[name] ?? null);
      const settings = {
        epochs: job.epochs,
        ...(job.steps === undefined ? {} : { steps: job.steps }),
        ...(shuffle ? { key0: shuffle.key0, key1: shuffle.key1 } : {}),
        scalars: Float64Array.from(job.scalars),
      };
      let running: RunningJob;
      try {
        running = addon.runJob(pool, compiled(program), spaces, job.index, settings);
      } catch (error) {
        throw typed(error);
      }
      const forget = whenAborted(signal, () => running.cancel());
      try {
        const finished = await running.promise.catch((error: unknown) => {
          throw typed(error);
        });
        if (finished) return;
        signal?.throwIfAborted();
        throw new NativeKernelError(
          'ERR_POOL_CLOSED',
          'the pool was closed before the job had run',
          undefined,
        );
      } finally {
        forget();
      }
    },
    async dispose() {
      addon.destroyPool(pool);
    },
  };
}

/** One listener a signal, however many jobs wait for it: Node takes more than ten for a leak. */
function abortListeners(): (signal: AbortSignal | undefined, cancel: () => void) => () => void {
  const waiting = new WeakMap<AbortSignal, Set<() => void>>();
  return (signal, cancel) => {
    if (signal === undefined) return () => undefined;
    let all = waiting.get(signal);
    if (all === undefined) {
      const jobs = new Set<() => void>();
      signal.addEventListener('abort', () => {
        for (const stop of jobs) stop();
      });
      waiting.set(signal, jobs);
      all = jobs;
    }
    const mine = all;
    mine.add(cancel);
    return () => void mine.delete(cancel);
  };
}

function typed(error: unknown): unknown {
  const code = (error as { code?: unknown }).code;
  if (typeof code !== 'string' || !(error instanceof Error)) return error;
  return new NativeKernelError(code, error.message, error);
}
