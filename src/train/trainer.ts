/** What trains one client. The built-in one runs a model's programs; a user's own may use any library. */
import type { Dataset } from '../data/dataset.js';
import type { ParamSpec } from '../tensor/param-spec.js';

/** One client's work in one round. */
export interface TrainJob {
  /** Values to start from, in the layout of `spec`. Read only. */
  readonly params: Float32Array;
  readonly spec: ParamSpec;
  /** Units by unit group where they differ from the full model's: a sub-model. */
  readonly widths?: Readonly<Record<string, number>>;
  readonly data: Dataset;
  /** The client's examples, as indices into `data`. */
  readonly index: Uint32Array;
  readonly client: number;
  /** From 0. */
  readonly round: number;
  readonly seed: number | string | bigint;
  /** Local learning rate of this round, after the schedule. */
  readonly lr: number;
}

export interface TrainResult {
  /** Trained values minus `params`, in the same layout. Belongs to the receiver. */
  readonly update: Float32Array;
  /** Sum of the examples' losses as they were trained on, and how many were classified right. */
  readonly lossSum: number;
  readonly correct: number;
  /** Examples that were trained on, repetitions counted. */
  readonly examples: number;
  readonly steps: number;
}

/** Plugs any training code into a simulation: one method. */
export interface Trainer {
  readonly name: string;
  /** Must not keep or change `job.params`; equal jobs must give equal bytes. */
  train(job: TrainJob, signal?: AbortSignal): Promise<TrainResult>;
}

/** Loss and accuracy of a model on part of a data set. */
export interface Evaluation {
  readonly lossSum: number;
  readonly correct: number;
  readonly examples: number;
}
