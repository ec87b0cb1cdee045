import { blockedPass, forEachPiece, kBlock, kPiece, slices } from './blocks.js';
import type { MergeMethod, StatisticsPass, TensorContext, TensorMerge } from './method.js';
import { globalOf, optional, othersOf, pick } from './parameters.js';
import { RankSearch } from './rank-search.js';
import { nonFiniteCheck } from './task-vectors.js';

const kNoBase = new Float32Array(0);
/** Mean squares whose sum is below it give equal weights; divisor of elements that none agrees on. As the reference tool has them. */
const kLeast = 1e-6;
const kNoBits = 0xffffffff;

/**
 * Select, calculate, erase: keeps the positions of largest variance over the models, weights each model by the mean square of its task
 * vector there, and averages the entries that agree with the sign of their sum.
 *
 * Equal weights where the mean squares sum up to less than 1e-6, or with `relative_eps` to less than that times the base's mean square:
 * the fixed bound takes every tensor that moved by less than about 1e-3 for one that did not.
 *
 * `select_topk` counts among the positions with any variance; equal variances are kept by lower index first.
 */
export const sce: MergeMethod = {
  name: 'sce',
  reference: 'Wan et al. 2024, "FuseChat" (arXiv 2408.07990), section 3.3',
  parameters: [
    optional('select_topk', 'global', 1),
    optional('int8_mask', 'global', false),
    { ...optional('relative_eps', 'global', 0, { min: 0 }), extension: true },
  ],
  base: 'required',
  models: { min: 0 },
  plan(context) {
    const others = othersOf(context);
    const share = globalOf(sce, context, 'select_topk');
    if (others.length === 0 || share <= 0)
      return { passes: [], combine: (out, inputs) => out.set(inputs[context.base]) };
    return planSelected(
      context,
      others,
      share < 1 ? new VarianceSelection(context, others, share) : undefined,
    );
  },
};

/** Which positions have the largest variance. */
class VarianceSelection {
  readonly passes: readonly StatisticsPass[];
  private readonly weights: Float64Array;
  private readonly quota = new Uint32Array(2);
  private variance = new Float32Array(0);
  private lowBits = kNoBits;
  private ties = 0;

  constructor(
    private readonly context: TensorContext,
    private readonly others: readonly number[],
    share: number,
  ) {
    const { kernels, size } = context;
    this.weights = new Float64Array(others.length).fill(1 / others.length);
    const search = new RankSearch(kernels);
    const zeros = new Uint32Array(1);
    const checks = others.map((k) => nonFiniteCheck(sce, context, k));
    let count = 0;
    this.passes = [
      {
        accept: (inputs, offset) =>
          this.forEachVariance(inputs, (v, begin, end) => {
            kernels.countMagnitudesU32(zeros, v, kNoBase, 0, 0, 0, 1);
            if (!search.countFirst(v, kNoBase)) return;
            const from = inputs[context.base].subarray(begin, end);
            others.forEach((k, i) => {
              checks[i](inputs[k].subarray(begin, end), from, offset + begin);
            });
          }),
        end() {
          count = Math.trunc((size - zeros[0]) * share);
          search.endFirst(count > 0 ? [count] : []);
        },
      },
      {
        accept: (inputs) => this.forEachVariance(inputs, (v) => search.countSecond(v, kNoBase)),
        end: () => {
          const [found] = search.endSecond();
          if (found) {
            this.lowBits = found.bits;
            this.ties = found.ties;
          }
        },
      },
    ];
  }

  /** Overwrites `gate` with values that are 0 where a position is not selected. Pieces in order, offset 0 starts anew. */
  gate(gate: Float32Array, inputs: readonly Float32Array[], offset: number): void {
    const { kernels } = this.context;
    if (offset === 0) this.quota[1] = this.ties;
    const variance = this.varianceOf(inputs);
    kernels.keepBandF32(gate, this.quota, variance, kNoBase, this.lowBits, kNoBits);
  }

  private varianceOf(inputs: readonly Float32Array[]): Float32Array {
    const { length } = inputs[0];
    if (this.variance.length < length) this.variance = new Float32Array(length);
    const variance = this.variance.subarray(0, length);
    this.context.kernels.varianceF32(variance, pick(inputs, this.others), this.weights);
    return variance;
  }

  private forEachVariance(
    inputs: readonly Float32Array[],
    use: (variance: Float32Array, begin: number, end: number) => void,
  ): void {
    forEachPiece(inputs[0].length, (begin, end) =>
      use(this.varianceOf(slices(inputs, begin, end)), begin, end),
    );
  }
}

function planSelected(
  context: TensorContext,
  others: readonly number[],
  selection: VarianceSelection | undefined,
): TensorMerge {
  const { base, kernels, size } = context;
  const votes = new Float64Array(others.length).fill(1);
  const weights = new Float64Array(others.length);
  const energies = others.map(() => new Float64Array(1));
  const relative = globalOf(sce, context, 'relative_eps');
  const baseEnergy = new Float64Array(1);
  let gate = new Float32Array(0);
  let deltas = others.map(() => new Float32Array(0));
  /** Task vectors of one piece, zero where nothing is selected. */
  const deltasOf = (inputs: readonly Float32Array[], offset: number): Float32Array[] => {
    const { length } = inputs[0];
    if (gate.length < length) {
      gate = new Float32Array(length);
      deltas = others.map(() => new Float32Array(length));
    }
    const pieces = deltas.map((array) => array.subarray(0, length));
    const open = gate.subarray(0, length);
    selection?.gate(open, inputs, offset);
    others.forEach((k, i) => {
      if (selection) kernels.gateDeltaF32(pieces[i], inputs[k], inputs[base], open);
      else kernels.subtractF32(pieces[i], inputs[k], inputs[base]);
    });
    return pieces;
  };
  const energyPass = blockedPass(
    size,
    (inputs, offset) =>
      forEachPiece(
        inputs[0].length,
        (begin, end) => {
          const parts = slices(inputs, begin, end);
          deltasOf(parts, offset + begin).forEach((delta, i) => {
            kernels.dotDeltasF64(energies[i], [delta], delta, kNoBase);
          });
          if (relative > 0) kernels.dotDeltasF64(baseEnergy, [parts[base]], parts[base], kNoBase);
        },
        kBlock,
      ),
    () => {
      const means = energies.map(([sum]) => sum / size);
      const total = means.reduce((sum, mean) => sum + mean, 0);
      const least = relative > 0 ? relative * (baseEnergy[0] / size) : kLeast;
      means.forEach((mean, i) => {
        weights[i] = total < least || total === 0 ? 1 / others.length : mean / total;
      });
    },
  );
  return {
    passes: [...(selection?.passes ?? []), energyPass],
    combine: (out, inputs, offset) =>
      forEachPiece(
        out.length,
        (begin, end) => {
          const parts = slices(inputs, begin, end);
          const pieces = deltasOf(parts, offset + begin);
          kernels.electMeanF32(
            out.subarray(begin, end),
            parts[base],
            pieces,
            votes,
            weights,
            weights,
            1,
            kLeast,
            1,
          );
        },
        kPiece,
      ),
  };
}
