import type { Kernels } from '../../kernels/kernels.js';
import { MergeMethodError } from './errors.js';
import { maskAddress } from './mask-address.js';
import type { MergeMethod, TensorContext } from './method.js';
import { optional, perModelOf } from './parameters.js';
import {
  type MaskAddress,
  nothingKept,
  type OnNonFinite,
  remembered,
  type Sparsifier,
} from './sparsifiers.js';
import { nonFiniteCheck, planTaskVectors, rescaleNorm, taskVectorParameters } from './task-vectors.js';

/** Words of scratch an element of a row: to rank the magnitudes of a row takes four copies. */
const kRankWords = 4;

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

/**
 * Keeps the element of rank j of m in its row with probability density - epsilon + 2 epsilon j / (m - 1), `density` where m is 1; with
 * `expectation` divided by it.
 *
 * @param ranks - scratch of `kRankWords` words an element of a row, the same for all inputs.
 */
function magnitudeSampling(
  kernels: Kernels,
  rows: RowShape,
  { density, epsilon, expectation }: { density: number; epsilon: number; expectation: boolean },
  { key0, key1, site }: MaskAddress,
  onNonFinite: OnNonFinite,
  ranks: () => Uint32Array,
): Sparsifier {
  const { length, stride, group } = rows;
  const least = density - (length > 1 ? epsilon : 0);
  const slope = length > 1 ? (2 * epsilon) / (length - 1) : 0;
  return {
    passes: [],
    alignment: Math.max(1, group),
    apply(dst, x, base, offset) {
      if (kernels.allFiniteF32(x) === 0 || kernels.allFiniteF32(base) === 0) onNonFinite(x, base, offset);
      const lead = offset % 4;
      const block = (offset - lead) / 4;
      const high = Math.floor(block / 2 ** 32);
      kernels.dropRankedDeltasF32(
        dst,
        ranks(),
        x,
        base,
        length,
        stride,
        least,
        slope,
        expectation ? 1 : 0,
        lead,
        key0,
        key1,
        block >>> 0,
        high,
        0,
        site,
      );
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
      const rows = rowsOf(shape, size, strict);
      let scratch: Uint32Array | undefined;
      const ranks = (): Uint32Array => {
        scratch ??= new Uint32Array(kRankWords * rows.length);
        return scratch;
      };
      const room = context.spareBytes && context.spareBytes / context.models.length;
      return planTaskVectors(method, context, {
        elect,
        ownExpectation: true,
        workingBytes: kRankWords * 4 * rows.length,
        sparsifier(k) {
          const density = densities[k];
          if (density >= 1) return undefined;
          if (density <= 0 || size === 0) return nothingKept;
          checkRange(method, context, k, density, epsilons[k]);
          const norm = rescaleNorm(method, context);
          const sampling = magnitudeSampling(
            kernels,
            rows,
            { density, epsilon: epsilons[k], expectation: norm === 'expectation' },
            maskAddress(context, k),
            nonFiniteCheck(method, context, k),
            ranks,
          );
          // The L1 norm takes a sweep of its own.
          return norm === 'l1' ? remembered(kernels, size, sampling, room) : sampling;
        },
      });
    },
  };
  return method;
}

export const della = dellaMethod('della', true);
export const dellaLinear = dellaMethod('della_linear', false);
