/** The mean of client updates with the server's own clip: for the simulator, and for servers that exist already. */
import { InvalidArgumentError, ShapeMismatchError } from '../errors.js';
import type { KernelBuffer } from '../kernels/buffer.js';
import { currentKernels } from '../kernels/current.js';
import type { Kernels } from '../kernels/kernels.js';
import { UpdateRejectedError, WeightRangeError } from './errors.js';
import { createOrderedSum } from './ordered-sum.js';

const kMaxWeight = 2 ** 29 - 1;

export interface AggregatorOptions {
  /** Elements of an update. */
  size: number;
  /** Bound on the L2 norm of an update, > 0, in the units of the weights; every update is clipped to it here. Absent: no clip. */
  maxNorm?: number;
  /**
   * `weights` (default): divide by the sum of the weights that came. `fixed`: divide by `expectedClients`, whoever came; the
   * only denominator with a known sensitivity under noise. `holders`: each coordinate by the weights of those who held it.
   */
  denominator?: 'weights' | 'fixed' | 'holders';
  /** Expected number of clients a round, > 0, in units of weight; needed by `fixed`. */
  expectedClients?: number;
  /** With `holders`: coordinates held with less total weight keep their value (update 0). Default: 1. */
  minHolders?: number;
  /** Reject an update whose norm exceeds this multiple of `maxNorm`. Default: none is rejected, all are clipped. */
  rejectAbove?: number;
  /** Default: the kernels of `init()`, else native where it is built. */
  kernels?: Kernels;
}

export interface AddOptions {
  /** Integer from 1 to 2^29 - 1. Default: 1. */
  weight?: number;
  /** Place in the order of summation, ascending. Default: the next. */
  slot?: number;
  /** Name in error messages. Default: the slot. */
  client?: string | number;
  /** 1 where the client holds the coordinate; needed by `holders`. */
  mask?: Uint8Array;
}

export interface AddResult {
  /** L2 norm of the update before the clip, in the units of the weights. */
  norm: number;
  clipped: boolean;
}

export interface Aggregator {
  /** Updates added since the last `finish`. */
  readonly count: number;
  /**
   * Adds one update; its memory is free again on return.
   *
   * @throws {UpdateRejectedError} when it is not finite, or above `rejectAbove`; the sum is then unchanged.
   * @throws {ShapeMismatchError} for another length, {@link WeightRangeError} for a weight that is no positive integer below 2^29.
   */
  add(update: Float32Array | KernelBuffer, options?: AddOptions): AddResult;
  /** The aggregate of the round; starts the next one. Zeros when nothing was added. */
  finish(out?: Float32Array): Float32Array;
  dispose(): void;
}

/**
 * An aggregator whose result has the same bits for every arrival order (give slots) and number of threads (DESIGN 7).
 *
 * @example
 * const agg = createAggregator({ size, maxNorm: 1, denominator: 'fixed', expectedClients: 100 });
 * const { norm, clipped } = agg.add(update, { weight: 1 });
 * const mean = agg.finish();
 * @see McMahan et al. 2018, "Learning Differentially Private Recurrent Language Models", algorithm 1.
 */
export function createAggregator(options: AggregatorOptions): Aggregator {
  const { size, maxNorm = Infinity, denominator = 'weights', minHolders = 1, rejectAbove } = options;
  checkOptions(options);
  const kernels = options.kernels ?? currentKernels();
  const sum = createOrderedSum(kernels, size);
  const holders = denominator === 'holders' ? createOrderedSum(kernels, size) : undefined;
  let count = 0;
  let nextSlot = 0;
  let totalWeight = 0;

  const checked = (update: Float32Array | KernelBuffer, client: string): number | undefined => {
    if (update.length !== size)
      throw new ShapeMismatchError(
        `update of client ${client}`,
        [size],
        [update.length],
        'flatten every client update with the layout of the global model before aggregating',
      );
    if (rejectAbove === undefined) return undefined;
    const norm = Math.sqrt(kernels.sumSquaresF32(update));
    if (Number.isFinite(norm) && norm > rejectAbove * maxNorm)
      throw new UpdateRejectedError(client, 'above-bound', norm, maxNorm);
    return norm;
  };

  return {
    get count() {
      return count;
    },
    add(update, { weight = 1, slot = nextSlot, client = slot, mask } = {}) {
      const name = String(client);
      if (!(Number.isInteger(weight) && weight >= 1 && weight <= kMaxWeight))
        throw new WeightRangeError(name, weight);
      checked(update, name);
      if (holders && !mask)
        throw new InvalidArgumentError(
          'Aggregator.add',
          'mask',
          'a Uint8Array with 1 where the client holds',
          mask,
        );
      // An update that is not finite is refused inside the kernel, which leaves the sum alone, so slots are only used up by
      // what was really added.
      let norm = 0;
      if (holders && mask) {
        norm = Math.sqrt(kernels.sumSquaresF32(update));
        if (!Number.isFinite(norm)) throw new UpdateRejectedError(name, 'not-finite', norm);
        addMasked(update, mask, slot, weight);
      } else {
        sum.add(slot, (acc) => {
          norm = kernels.clipAccumulateF64(acc, update, maxNorm, weight);
        });
        nextSlot = slot + 1;
        if (!Number.isFinite(norm)) throw new UpdateRejectedError(name, 'not-finite', norm);
      }
      nextSlot = slot + 1;
      totalWeight += weight;
      count++;
      return { norm, clipped: norm > maxNorm };
    },
    finish(out = new Float32Array(size)) {
      const total = sum.finish();
      if (holders) kernels.meanOfHoldersF32(out, total, holders.finish(), minHolders);
      else {
        const divisor = denominator === 'fixed' ? (options.expectedClients ?? 1) : totalWeight;
        kernels.meanF32(out, total, divisor > 0 ? divisor : 1);
      }
      sum.reset();
      holders?.reset();
      count = 0;
      nextSlot = 0;
      totalWeight = 0;
      return out;
    },
    dispose() {
      sum.dispose();
      holders?.dispose();
    },
  };

  function addMasked(
    update: Float32Array | KernelBuffer,
    mask: Uint8Array,
    slot: number,
    weight: number,
  ): void {
    const clipped = Number.isFinite(maxNorm) ? arrayCopy(update) : update;
    if (Number.isFinite(maxNorm)) kernels.clipInPlaceF32(clipped, maxNorm);
    sum.add(slot, (acc) =>
      holders?.add(slot, (counts) => kernels.maskedAccumulateF64(acc, counts, clipped, mask, weight)),
    );
  }
}

function arrayCopy(update: Float32Array | KernelBuffer): Float32Array {
  return (ArrayBuffer.isView(update) ? update : update.view()).slice();
}

function checkOptions({ size, maxNorm, denominator, expectedClients, rejectAbove }: AggregatorOptions): void {
  const where = 'createAggregator';
  if (!(Number.isSafeInteger(size) && size > 0))
    throw new InvalidArgumentError(where, 'size', 'the number of weights, an integer above 0', size);
  if (maxNorm !== undefined && !(maxNorm > 0))
    throw new InvalidArgumentError(where, 'maxNorm', 'a bound above 0', maxNorm);
  if (denominator === 'fixed' && !(expectedClients !== undefined && expectedClients > 0))
    throw new InvalidArgumentError(
      where,
      'expectedClients',
      'a number above 0 with denominator fixed',
      expectedClients,
    );
  if (rejectAbove !== undefined && !(rejectAbove >= 1 && maxNorm !== undefined))
    throw new InvalidArgumentError(where, 'rejectAbove', 'a multiple of maxNorm, at least 1', rejectAbove);
}
