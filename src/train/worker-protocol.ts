/** Messages between the pool and its threads. Everything in them can be cloned. */
import type { Profile } from '../kernels/kernels.js';
import type { JobProgram } from '../program/tape.js';
import type { JobRequest, SpaceArray } from './job.js';
import type { TrainJob, TrainResult } from './trainer.js';

export type WorkerTask =
  | { readonly type: 'wasm'; readonly module: WebAssembly.Module }
  | { readonly type: 'reference'; readonly profile: Profile }
  | { readonly type: 'trainer'; readonly module: string }
  | {
      readonly type: 'job';
      /** Bindings are those that the job reads or that are wanted of it. */
      readonly job: Omit<JobRequest, 'program'>;
      /** Number of the program; the thread keeps what it was sent under it. */
      readonly program: number;
      /** Sent with the first job of the program alone: a program is large beside the data of a small client. */
      readonly definition?: JobProgram;
    }
  | { readonly type: 'train'; readonly job: TrainJob };

/** Result of `job`: the wanted spaces that lie in no shared memory, by name. Result of `train`: a TrainResult. */
export type WorkerResult = Record<string, SpaceArray> | TrainResult | null;

export type WorkerReply =
  | { readonly result: WorkerResult }
  | { readonly error: { name: string; message: string; stack?: string; code?: string } };
