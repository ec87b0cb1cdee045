/** The update pipeline's vocabulary: what a stage is, what it gets, and what travels between stages. */
import type { Kernels } from '../kernels/kernels.js';
import type { ParamSpec } from '../tensor/param-spec.js';

/** An update on its way: float32 values, or what a quantizer made of them. `bytes` is its size on the wire. */
export type Payload =
  | { readonly kind: 'dense'; readonly values: Float32Array; readonly bytes: number }
  | {
      readonly kind: 'int8';
      readonly codes: Int8Array;
      readonly scales: Float32Array;
      readonly block: number;
      readonly bytes: number;
    }
  | { readonly kind: 'f16' | 'bf16'; readonly codes: Uint16Array; readonly bytes: number };

export const dense = (values: Float32Array): Payload => ({ kind: 'dense', values, bytes: values.byteLength });

/** Values by (client, slot name) that outlive a round. Only touched for clients of the cohort. */
export interface ClientState {
  get<T>(slot: string): T | undefined;
  set<T>(slot: string, value: T): void;
}

export interface StageContext {
  /** From 0. */
  readonly round: number;
  /** Client id. */
  readonly client: number;
  readonly seed: number | string | bigint;
  readonly kernels: Kernels;
  /** Layout of the global model. */
  readonly spec: ParamSpec;
  readonly state: ClientState;
}

export interface PlanContext extends StageContext {
  /** The global model of this round, in the order of `spec`; read only. */
  readonly global: Float32Array;
  /** Examples of this client. */
  readonly nExamples: number;
  /** Diagonal empirical Fisher at `global` over the client's first `limit` examples (default all), as float64 sums. */
  fisher(limit?: number): Promise<Float64Array>;
}

/** Which units of which groups a client trains this round. */
export interface SubModelPlan {
  /** Kept units by unit group, sorted, only of groups that lose some. */
  readonly kept: ReadonlyMap<string, Uint32Array>;
  /** Layout of the sub-model. */
  readonly spec: ParamSpec;
  /** Bytes that tell the server the positions; 0 when it knows them. */
  readonly positionBytes: number;
  /** Whether the client was sent the full model, to choose positions from. */
  readonly fullDownload: boolean;
}

export interface Codec {
  encode(payload: Payload, context: StageContext): Payload;
  decode(payload: Payload, context: StageContext): Payload;
}

/** Noise that the server adds to the sum of clipped updates, on every coordinate. */
export interface CentralNoise {
  readonly noiseMultiplier: number;
  /** Clip bound of the sum's terms, in the units of the weights. */
  readonly maxNorm: number;
  /** Clients of the cohort whose noise is simulated; absent: the expected cohort. */
  readonly noiseCohortSize?: number;
  readonly source: 'simulation' | 'secure';
}

/** Noise that a client adds to its own update: from there on the clip bound says nothing about the update's norm. */
export interface LocalNoise {
  readonly noiseMultiplier: number;
  /** Clip bound of the update before the noise, in the units of the weights. */
  readonly maxNorm: number;
  readonly source: 'simulation' | 'secure';
}

/**
 * One stage of `update.pipeline`. Nothing needs subclassing: a plain object with the parts it wants.
 * `encode` runs on the client in pipeline order, `decode` on the server in reverse.
 */
export interface Stage {
  readonly name: string;
  /** Chooses a sub-model before training. Only the first stage of a pipeline may. */
  plan?(context: PlanContext): Promise<SubModelPlan | undefined>;
  /**
   * What happens to the model on its way to the client: the sub-model where the client's positions are known, else the full
   * model, out of which the client then cuts its sub-model. Scores that choose a sub-model are taken at the model before it.
   */
  readonly download?: Codec;
  /** What happens to the update on its way back. */
  readonly upload?: Codec;
  /** A bound that the stage has put on the update's L2 norm; the server clips to it after decode. */
  readonly maxNorm?: number;
  /** Noise that `upload` adds on the client; the server does not clip an update that was noised after its last clip. */
  readonly localNoise?: LocalNoise;
  /** Noise on the aggregate. */
  readonly centralNoise?: CentralNoise;
}
