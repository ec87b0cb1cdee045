/** The mean of client updates with the server's own clip: for the simulator, and for servers that exist already. */
import { InvalidArgumentError, ShapeMismatchError } from '../errors.js';
import { arrayOf, type KernelBuffer } from '../kernels/buffer.js';
import { currentKernels } from '../kernels/current.js';
import type { Kernels } from '../kernels/kernels.js';
import { UpdateRejectedError, WeightRangeError } from './errors.js';
import { createOrderedSum, type OrderedSum } from './ordered-sum.js';

const kMaxWeight = 2 ** 29 - 1;

/**
 * Least clip bound: the clip factor has a relative slack of 2^-24 left for rounding, and sqrt(n) float32 subnormals rounded up
 * by 2^-150 each stay below it from here on, for every n below 2^32.
 */
export const kLeastClipNorm = 1e-30;

export interface AggregatorOptions {
  /** Elements of an update. */
  size: number;
  /**
   * Bound on the L2 norm of an update, at least 1e-30, in the units of the weights; every update is clipped to it here. Absent or
   * Infinity: no clip.
   */
  maxNorm?: number;
  /**
   * `weights` (default): divide by the sum of the weights that came. `fixed`: divide by `expectedClients`, whoever came; the
   * only denominator with a known sensitivity under noise. `holders`: each coordinate by the weights of those who held it.
   */
  denominator?: 'weights' | 'fixed' | 'holders';
  /** Expected number of clients a round, > 0, in units of weight; needed by `fixed`. */
  expectedClients?: number;
  /** With `holders`: coordinates held by fewer clients keep their value (update 0). Default: 1. */
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
  /** 1 where the client holds the coordinate; needed by `holders`, where the others are left out of sum and denominator. */
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
   * Coordinates of the last `finish` that enough clients held, 1 where so, with denominator `holders`; else absent. Valid
   * until the next `finish`.
   */
  readonly held?: Uint8Array;
  /**
   * Adds one update; its memory is free again on return.
   *
   * @throws {UpdateRejectedError} when it is not finite, or above `rejectAbove`; the sum is then unchanged to the bit.
   * @throws {ShapeMismatchError} for another length, {@link WeightRangeError} for a weight that is no positive integer below 2^29.
   */
  add(update: Float32Array | KernelBuffer, options?: AddOptions): AddResult;
  /**
   * The aggregate of the round; starts the next one. Zeros when nothing was added.
   *
   * @throws {ShapeMismatchError} for an `out` of another length; the round then goes on.
   */
  finish(out?: Float32Array): Float32Array;
  /** Gives the memory back. Safe to call twice. */
  dispose(): void;
  [Symbol.dispose](): void;
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
  const held = holders && new Uint8Array(size);
  const heldBy = holders && minHolders > 1 ? new Uint32Array(size) : undefined;
  let scratch: Float32Array | undefined;
  let count = 0;
  let nextSlot = 0;
  let totalWeight = 0;

  const normOf = (update: Float32Array | KernelBuffer): number => Math.sqrt(kernels.sumSquaresF32(update));

  const checkUpdate = (update: Float32Array | KernelBuffer, client: string): void => {
    if (update.length !== size)
      throw new ShapeMismatchError(
        `update of client ${client}`,
        [size],
        [update.length],
        'flatten every client update with the layout of the global model before aggregating',
      );
    if (rejectAbove === undefined) return;
    const norm = normOf(update);
    if (Number.isFinite(norm) && norm > rejectAbove * maxNorm)
      throw new UpdateRejectedError(client, 'above-bound', norm, maxNorm);
  };

  const addWhole = (update: Float32Array | KernelBuffer, slot: number, weight: number): number => {
    let norm = 0;
    sum.add(slot, (acc) => {
      // Used up whatever comes now, as in the sum.
      nextSlot = slot + 1;
      // Leaves `acc` alone where the norm is not finite.
      norm = kernels.clipAccumulateF64(acc, update, maxNorm, weight);
    });
    return norm;
  };

  const addMasked = (
    update: Float32Array | KernelBuffer,
    mask: Uint8Array,
    slot: number,
    weight: number,
    client: string,
  ): number => {
    if (mask.length !== size)
      throw new ShapeMismatchError(
        `mask of client ${client}`,
        [size],
        [mask.length],
        'pass one byte for every coordinate of the global model',
      );
    const norm = normOf(update);
    if (!Number.isFinite(norm)) return norm;
    let clipped = update;
    if (norm > maxNorm) {
      scratch ??= new Float32Array(size);
      scratch.set(arrayOf(update));
      kernels.clipInPlaceF32(scratch, maxNorm);
      clipped = scratch;
    }
    sum.add(slot, (acc) =>
      holders?.add(slot, (counts) => {
        nextSlot = slot + 1;
        kernels.maskedAccumulateF64(acc, counts, clipped, mask, weight);
      }),
    );
    if (heldBy) for (let i = 0; i < size; i++) if (mask[i] !== 0) heldBy[i]++;
    return norm;
  };

  const finishHolders = (out: Float32Array, total: KernelBuffer<Float64Array>, weights: OrderedSum): void => {
    const counts = weights.finish();
    const byWeight = counts.view();
    if (heldBy) for (let i = 0; i < size; i++) if (heldBy[i] < minHolders) byWeight[i] = 0;
    if (held) for (let i = 0; i < size; i++) held[i] = byWeight[i] > 0 ? 1 : 0;
    kernels.meanOfHoldersF32(out, total, counts, 1);
  };

  const dispose = (): void => {
    sum.dispose();
    holders?.dispose();
  };

  return {
    held,
    get count() {
      return count;
    },
    add(update, { weight = 1, slot = nextSlot, client = slot, mask } = {}) {
      const name = String(client);
      if (!(Number.isInteger(weight) && weight >= 1 && weight <= kMaxWeight))
        throw new WeightRangeError(name, weight);
      if (holders && !mask)
        throw new InvalidArgumentError(
          'Aggregator.add',
          'mask',
          'a Uint8Array with 1 where the client holds',
          mask,
        );
      checkUpdate(update, name);
      const norm =
        holders && mask ? addMasked(update, mask, slot, weight, name) : addWhole(update, slot, weight);
      if (!Number.isFinite(norm)) throw new UpdateRejectedError(name, 'not-finite', norm);
      totalWeight += weight;
      count++;
      return { norm, clipped: norm > maxNorm };
    },
    finish(out = new Float32Array(size)) {
      if (out.length !== size)
        throw new ShapeMismatchError(
          'Aggregator.finish',
          [size],
          [out.length],
          "pass an array of the aggregator's size, or none",
        );
      const total = sum.finish();
      if (holders) finishHolders(out, total, holders);
      else {
        const divisor = denominator === 'fixed' ? (options.expectedClients ?? 1) : totalWeight;
        kernels.meanF32(out, total, divisor > 0 ? divisor : 1);
      }
      sum.reset();
      holders?.reset();
      heldBy?.fill(0);
      count = 0;
      nextSlot = 0;
      totalWeight = 0;
      return out;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

function checkOptions(options: AggregatorOptions): void {
  const { size, maxNorm, denominator = 'weights', expectedClients, minHolders, rejectAbove } = options;
  const where = 'createAggregator';
  if (!(Number.isSafeInteger(size) && size > 0))
    throw new InvalidArgumentError(where, 'size', 'the number of weights, an integer above 0', size);
  if (maxNorm !== undefined && !(maxNorm >= kLeastClipNorm))
    throw new InvalidArgumentError(where, 'maxNorm', 'a bound of at least 1e-30', maxNorm);
  if (!['weights', 'fixed', 'holders'].includes(denominator))
    throw new InvalidArgumentError(where, 'denominator', 'weights, fixed or holders', denominator);
  const positive = expectedClients !== undefined && expectedClients > 0 && Number.isFinite(expectedClients);
  if (denominator === 'fixed' && !positive)
    throw new InvalidArgumentError(
      where,
      'expectedClients',
      'a finite number above 0 with denominator fixed',
      expectedClients,
    );
  if (minHolders !== undefined && !(Number.isInteger(minHolders) && minHolders >= 1))
    throw new InvalidArgumentError(where, 'minHolders', 'an integer of at least 1', minHolders);
  if (rejectAbove !== undefined && !(rejectAbove >= 1 && maxNorm !== undefined))
    throw new InvalidArgumentError(where, 'rejectAbove', 'a multiple of maxNorm, at least 1', rejectAbove);
}
