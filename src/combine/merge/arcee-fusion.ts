import { expF64, logF64 } from '../../data/partition/elementary.js';
import { slices } from './blocks.js';
import type { MergeMethod, TensorContext, TensorMerge } from './method.js';
import { othersOf } from './parameters.js';
import { RankSearch } from './rank-search.js';
import { nonFiniteCheck } from './task-vectors.js';

const kNoBase = new Float32Array(0);
const kFloor = 1e-8;
const floatOfBits = new Float32Array(1);
const bitsOfFloat = new Uint32Array(floatOfBits.buffer);

/** Softmax of a row, in float64, to `out`. */
function softmax(out: Float64Array, row: Float32Array): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of row) largest = value > largest ? value : largest;
  let sum = 0;
  for (let i = 0; i < row.length; i++) {
    out[i] = expF64(row[i] - largest);
    sum += out[i];
  }
  for (let i = 0; i < row.length; i++) out[i] /= sum;
}

/** KL divergence between the softmax of two rows, each probability raised by 1e-8. */
function divergence(p: Float64Array, q: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const a = p[i] + kFloor;
    sum += a * logF64(a / (q[i] + kFloor));
  }
  return sum;
}

/**
 * Takes from the other model the entries whose importance |p - q| * KL(row) is at least median + 1.5 (q75 - q25), and keeps the base elsewhere.
 *
 * Quantiles are exact for every size; the reference tool samples beyond a million elements.
 */
export const arceeFusion: MergeMethod = {
  name: 'arcee_fusion',
  reference: 'Arcee Fusion as mergekit defines it; no paper',
  parameters: [],
  base: 'required',
  models: { min: 1, max: 1 },
  plan(context) {
    const [other] = othersOf(context);
    return other === undefined || context.size === 0
      ? { passes: [], combine: (out, inputs) => out.set(inputs[context.base]) }
      : planFusion(context, other);
  },
};

function planFusion(context: TensorContext, other: number): TensorMerge {
  const { base, kernels, size } = context;
  const row = context.shape.at(-1) ?? 1;
  const divergences = new Float64Array(size / row);
  const [p, q] = [new Float64Array(row), new Float64Array(row)];
  const importance = new Float32Array(row);
  const search = new RankSearch(kernels);
  const check = nonFiniteCheck(arceeFusion, context, other);
  let threshold = 0;
  const forEachRow = (
    inputs: readonly Float32Array[],
    offset: number,
    use: (x: Float32Array, from: Float32Array, index: number, begin: number) => void,
  ): void => {
    for (let begin = 0; begin < inputs[0].length; begin += row) {
      const parts = slices(inputs, begin, begin + row);
      use(parts[other], parts[base], (offset + begin) / row, begin);
    }
  };
  const importanceOf = (x: Float32Array, from: Float32Array, index: number): Float32Array => {
    const factor = divergences[index];
    for (let i = 0; i < row; i++) importance[i] = Math.abs(x[i] - from[i]) * factor;
    return importance;
  };
  /** Rank from the top of the element at a quantile, which is counted from below, in float32 as the reference tool has it. */
  const rankAt = (quantile: number): number => size - Math.trunc(Math.fround(quantile * (size - 1)));
  return {
    alignment: row,
    passes: [
      {
        accept: (inputs, offset) =>
          forEachRow(inputs, offset, (x, from, index) => {
            if (kernels.allFiniteF32(x) === 0 || kernels.allFiniteF32(from) === 0)
              check(x, from, index * row);
            softmax(p, x);
            softmax(q, from);
            // Rounding may leave it a little below 0; magnitudes are what is ranked.
            divergences[index] = Math.max(0, divergence(p, q));
            search.countFirst(importanceOf(x, from, index), kNoBase);
          }),
        end: () => search.endFirst([rankAt(0.5), rankAt(0.75), rankAt(0.25)]),
      },
      {
        accept: (inputs, offset) =>
          forEachRow(inputs, offset, (x, from, index) =>
            search.countSecond(importanceOf(x, from, index), kNoBase),
          ),
        end() {
          const [median, upper, lower] = search.endSecond().map(({ bits }) => {
            bitsOfFloat[0] = bits;
            return floatOfBits[0];
          });
          threshold = Math.fround(median + Math.fround(1.5 * Math.fround(upper - lower)));
        },
      },
    ],
    combine: (out, inputs, offset) =>
      forEachRow(inputs, offset, (x, from, index, begin) => {
        const scores = importanceOf(x, from, index);
        for (let i = 0; i < row; i++) out[begin + i] = scores[i] >= threshold ? x[i] : from[i];
      }),
    statistics: () => ({ threshold }),
  };
}
