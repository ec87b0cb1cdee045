/** Reductions from a cohort's updates to one: sums that stream, and rules that need all updates at once. */
import { InvalidArgumentError } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import type { LayerGram } from '../train/statistics.js';
import { type Aggregator, createAggregator } from './aggregator.js';

export interface ReduceContext {
  readonly kernels: Kernels;
  /** Elements of an update. */
  readonly size: number;
  /** Server's clip bound after decode; absent: none. */
  readonly maxNorm?: number;
  readonly rejectAbove?: number;
  /** Expected sum of weights of a round: the public denominator. */
  readonly expectedWeight: number;
}

/** Takes one update after the other and holds O(model) memory. */
export interface StreamingReducer {
  readonly kind: 'streaming';
  readonly name: string;
  /** Whether `add` wants the mask of held coordinates. */
  readonly wantsMask: boolean;
  create(context: ReduceContext): Aggregator;
}

/** A tensor of the flat update: what `ParamSpec.entries` holds. */
export interface UpdateTensor {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly shape: readonly number[];
}

/**
 * What clients measure on their own data, at the model that they trained, for a rule that weighs them by it: the diagonal of the Fisher
 * information (`labels` as for `diagonalFisher`), or X^T X / n of the inputs of dense layers.
 */
export type WantedStatistics = (
  | { readonly kind: 'fisher'; readonly labels?: 'data' | 'model' }
  | { readonly kind: 'input-grams' }
) & {
  /** Examples of a client that are measured, its first; absent: all. */
  readonly examples?: number;
};

/** What one client measured, as the server gets it. */
export type ClientStatistics =
  | {
      readonly kind: 'fisher';
      /** One value for each element of the update. */
      readonly values: Float32Array;
    }
  | {
      readonly kind: 'input-grams';
      /** By name of the layer's weight. */
      readonly layers: ReadonlyMap<string, ReceivedGram>;
    };

export interface ReceivedGram extends Pick<LayerGram, 'layout' | 'width'> {
  /** [width, width], symmetric. */
  readonly gram: Float32Array;
}

/** What a round tells a rule beside the updates. */
export interface GatheringContext {
  readonly kernels: Kernels;
  /** Tensors of an update, in order. */
  readonly tensors: readonly UpdateTensor[];
  /** The global model of this round, that the updates start from; read only. */
  readonly params: Float32Array;
  /** The global model before the first round, for a rule whose `anchor` it is. */
  readonly initial?: Float32Array;
  readonly seed: number | string | bigint;
  /** From 0. */
  readonly round: number;
  /** One an update, for a rule with `statistics`. */
  readonly statistics: readonly ClientStatistics[];
  /** Takes what a rule found out about a tensor, as the ratio and the angle of Model Stock. */
  report(tensor: string, values: Readonly<Record<string, number>>): void;
}

/** Sees all updates of a range of coordinates at once; ranges are independent of each other. */
export interface GatheringReducer {
  readonly kind: 'gathering';
  readonly name: string;
  /** What every client sends beside its update. */
  readonly statistics?: WantedStatistics;
  /**
   * Of rules that place the clients around a model w_0: the round's global model, or that before the first round, which the context
   * then holds. Its hash is kept with the round.
   */
  readonly anchor?: 'previous' | 'initial';
  /**
   * Writes `out[i]` for begin <= i < end from `updates[k][i]`, k in cohort order; zeros where there is no update.
   *
   * @param updates - of one length and finite: the caller rejects the others by name before.
   * @param weights - one per update.
   * @param context - given by a federation; rules that need nothing of it can be called without.
   */
  reduce(
    out: Float32Array,
    updates: readonly Float32Array[],
    weights: readonly number[],
    begin: number,
    end: number,
    context?: GatheringContext,
  ): void;
}

export type Reducer = StreamingReducer | GatheringReducer;

const streaming = (
  name: string,
  denominator: 'weights' | 'fixed' | 'holders',
  extra: { minHolders?: number } = {},
): StreamingReducer => ({
  kind: 'streaming',
  name,
  wantsMask: denominator === 'holders',
  create: ({ kernels, size, maxNorm, rejectAbove, expectedWeight }) =>
    createAggregator({
      kernels,
      size,
      maxNorm,
      rejectAbove,
      denominator,
      expectedClients: expectedWeight,
      ...extra,
    }),
});

/** sum w_k u_k / sum w_k over the clients that reported (McMahan et al. 2017, algorithm 1). */
export const weightedMean = (): StreamingReducer => streaming('weighted-mean', 'weights');

/** sum w_k u_k / W with W the expected total weight, whoever reported: the only mean with a known sensitivity. */
export const fixedDenominator = (): StreamingReducer => streaming('fixed-denominator', 'fixed');

/**
 * Each coordinate over the weights of the clients that held it; one held by fewer than `minHolders` clients stays.
 *
 * Its denominator depends on who took part, so it has no known sensitivity: never under central noise.
 */
export const meanOfHolders = ({ minHolders = 2 }: { minHolders?: number } = {}): StreamingReducer =>
  streaming('mean-of-holders', 'holders', { minHolders });

/**
 * Coordinate-wise trimmed mean: the floor(trim * m) smallest and largest of m values are left out, the rest averaged, unweighted.
 *
 * @param options.trim - share cut at each end, in [0, 0.5).
 * @see Yin et al. 2018, "Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", definition 2.
 */
export function trimmedMean({ trim }: { trim: number }): GatheringReducer {
  if (!(trim >= 0 && trim < 0.5))
    throw new InvalidArgumentError('trimmedMean', 'trim', 'a share from 0 to below 0.5', trim);
  return {
    kind: 'gathering',
    name: 'trimmed-mean',
    reduce(out, updates, _weights, begin, end) {
      if (updates.length === 0) {
        out.fill(0, begin, end);
        return;
      }
      const column = new Float32Array(updates.length);
      // 0.29 * 100 is a little less than 29, which must not cut one less.
      const cut = Math.floor(trim * updates.length + 1e-9);
      const kept = updates.length - 2 * cut;
      for (let i = begin; i < end; i++) {
        for (let k = 0; k < updates.length; k++) column[k] = updates[k][i];
        column.sort();
        let sum = 0;
        for (let k = cut; k < cut + kept; k++) sum += column[k];
        out[i] = sum / kept;
      }
    },
  };
}
