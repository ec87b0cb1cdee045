import type { Kernels } from '../../kernels/kernels.js';
import { MergeMethodError } from './errors.js';
import { maskAddress } from './mask-address.js';
import type { MergeMethod, TensorContext } from './method.js';
import { optional, perModelOf } from './parameters.js';
import { type MaskAddress, nothingKept, type OnNonFinite, type Sparsifier } from './sparsifiers.js';
import { nonFiniteCheck, planTaskVectors, taskVectorParameters } from './task-vectors.js';

/** How the elements of a tensor form rows: groups of `group` elements hold rows of `length`, their elements `stride` apart. */
export interface RowShape {
  readonly length: number;
  readonly stride: number;
  readonly group: number;
}

/**
 * Rows run along the second axis; a vector is one row. Beyond two axes the trailing ones are flattened into the row, but in strict mode
 * the row keeps to the second axis.
 */
export function rowsOf(shape: readonly number[], size: number, strict: boolean): RowShape {
  if (shape.length < 2 || size === 0) return { length: size, stride: 1, group: size };
  const group = size / shape[0];
  return strict ? { length: shape[1], stride: group / shape[1], group } : { length: group, stride: 1, group };
}

const kDigitBits = 8;
const kDigits = 1 << kDigitBits;
const kShifts = [0, 8, 16, 24];

/** Ranks 0.. by ascending magnitude, equal ones by index, from a stable radix sort in four digits. */
export class RowRanks {
  private readonly order: [Uint32Array, Uint32Array];
  private readonly counts = new Uint32Array(kDigits * kShifts.length);
  readonly ranks: Uint32Array;

  constructor(length: number) {
    this.order = [new Uint32Array(length), new Uint32Array(length)];
    this.ranks = new Uint32Array(length);
  }

  /** @param bits - magnitudes as 31-bit integers. */
  rank(bits: Uint32Array): Uint32Array {
    const { counts, order, ranks } = this;
    const n = bits.length;
    counts.fill(0);
    for (let i = 0; i < n; i++) {
      const m = bits[i];
      counts[m & 255]++;
      counts[kDigits + ((m >>> 8) & 255)]++;
      counts[2 * kDigits + ((m >>> 16) & 255)]++;
      counts[3 * kDigits + (m >>> 24)]++;
    }
    let from = order[0];
    let to = order[1];
    for (let i = 0; i < n; i++) from[i] = i;
    for (let digit = 0; digit < kShifts.length; digit++) {
      const table = counts.subarray(digit * kDigits, (digit + 1) * kDigits);
      let next = 0;
      for (let value = 0; value < kDigits; value++) {
        const count = table[value];
        table[value] = next;
        next += count;
      }
      const shift = kShifts[digit];
      for (let i = 0; i < n; i++) {
        const at = from[i];
        to[table[(bits[at] >>> shift) & 255]++] = at;
      }
      const last = from;
      from = to;
      to = last;
    }
    for (let rank = 0; rank < n; rank++) ranks[from[rank]] = rank;
    return ranks;
  }
}

/** Keeps the element of rank j of m in its row with probability density - epsilon + 2 epsilon j / (m - 1); `density` where m is 1. */
export function magnitudeSampling(
  kernels: Kernels,
  rows: RowShape,
  { density, epsilon }: { density: number; epsilon: number },
  { key0, key1, site }: MaskAddress,
  onNonFinite: OnNonFinite,
): Sparsifier {
  const { length, stride, group } = rows;
  const ranker = new RowRanks(length);
  const bits = new Uint32Array(length);
  const least = density - (length > 1 ? epsilon : 0);
  const step = length > 1 ? (2 * epsilon) / (length - 1) : 0;
  let words = new Uint32Array(0);
  return {
    passes: [],
    alignment: Math.max(1, group),
    apply(dst, x, base, offset) {
      if (kernels.allFiniteF32(x) === 0 || kernels.allFiniteF32(base) === 0) onNonFinite(x, base, offset);
      kernels.subtractF32(dst, x, base);
      const lead = offset % 4;
      const block = (offset - lead) / 4;
      if (words.length !== dst.length + lead) words = new Uint32Array(dst.length + lead);
      kernels.randomBitsU32(words, key0, key1, block >>> 0, Math.floor(block / 2 ** 32), 0, site);
      const magnitudes = new Uint32Array(dst.buffer, dst.byteOffset, dst.length);
      for (let start = 0; start < dst.length; start += group)
        for (let first = start; first < start + stride; first++) {
          for (let j = 0; j < length; j++) bits[j] = magnitudes[first + j * stride] & 0x7fffffff;
          const ranks = ranker.rank(bits);
          for (let j = 0; j < length; j++) {
            const at = first + j * stride;
            const threshold = Math.floor((least + step * ranks[j]) * 0x100000000);
            if (words[lead + at] >= threshold) dst[at] = 0;
          }
        }
    },
  };
}

function checkRange(
  method: MergeMethod,
  context: TensorContext,
  k: number,
  density: number,
  epsilon: number,
): void {
  if (density - epsilon > 0 && density + epsilon < 1) return;
  throw new MergeMethodError(
    'ERR_EPSILON_OUT_OF_RANGE',
    method.name,
    context.tensor,
    `density ${density} and epsilon ${epsilon} of model ${context.models[k]} give keep probabilities outside 0 to 1`,
    'choose epsilon below both density and 1 - density',
  );
}

/** Like DARE, with keep probabilities that rise with the rank of a magnitude in its row. */
function dellaMethod(name: string, elect: boolean): MergeMethod {
  const method: MergeMethod = {
    name,
    reference: 'Deep et al. 2024, "DELLA-Merging" (arXiv 2406.11617), MagPrune; rescaled to the L1 norm',
    parameters: [
      ...taskVectorParameters({ normalize: elect, rescale: true }),
      optional('epsilon', 'model', 0.15),
    ],
    base: 'required',
    models: { min: 0 },
    plan(context) {
      const { kernels, shape, size, strict } = context;
      const densities = perModelOf(method, context, 'density');
      const epsilons = perModelOf(method, context, 'epsilon');
      return planTaskVectors(method, context, {
        elect,
        sparsifier(k) {
          const density = densities[k];
          if (density >= 1) return undefined;
          if (density <= 0 || size === 0) return nothingKept;
          checkRange(method, context, k, density, epsilons[k]);
          return magnitudeSampling(
            kernels,
            rowsOf(shape, size, strict),
            { density, epsilon: epsilons[k] },
            maskAddress(context, k),
            nonFiniteCheck(method, context, k),
          );
        },
      });
    },
  };
  return method;
}

export const della = dellaMethod('della', true);
export const dellaLinear = dellaMethod('della_linear', false);
