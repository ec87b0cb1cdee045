import { forEachPiece, kPiece } from './blocks.js';
import type { MergeMethod, TensorContext, TensorMerge } from './method.js';
import { othersOf } from './parameters.js';
import { RankSearch } from './rank-search.js';
import { nonFiniteCheck } from './task-vectors.js';

const kNoBase = new Float32Array(0);
const kFloor = 1e-8;
const floatOfBits = new Float32Array(1);
const bitsOfFloat = new Uint32Array(floatOfBits.buffer);

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
  const step = Math.max(1, Math.floor(kPiece / row)) * row;
  const scores = new Float32Array(Math.min(size, step));
  const search = new RankSearch(kernels);
  const check = nonFiniteCheck(arceeFusion, context, other);
  let threshold = 0;
  const factorsOf = (offset: number, length: number): Float64Array =>
    divergences.subarray(offset / row, (offset + length) / row);
  /** Pieces of whole rows: of the other model, of the base, and where they begin in the chunk. */
  const forEachRows = (
    inputs: readonly Float32Array[],
    use: (x: Float32Array, from: Float32Array, begin: number) => void,
  ): void =>
    forEachPiece(
      inputs[0].length,
      (begin, end) => use(inputs[other].subarray(begin, end), inputs[base].subarray(begin, end), begin),
      step,
    );
  const scoresOf = (x: Float32Array, from: Float32Array, offset: number): Float32Array => {
    const part = scores.subarray(0, x.length);
    kernels.scoreDeltaRowsF32(part, x, from, factorsOf(offset, x.length), row);
    return part;
  };
  /** Rank from the top of the element at a quantile, which is counted from below, in float32 as the reference tool has it. */
  const rankAt = (quantile: number): number => size - Math.trunc(Math.fround(quantile * (size - 1)));
  return {
    alignment: row,
    workingBytes: divergences.byteLength + scores.byteLength,
    passes: [
      {
        accept: (inputs, offset) =>
          forEachRows(inputs, (x, from, begin) => {
            if (kernels.allFiniteF32(x) === 0 || kernels.allFiniteF32(from) === 0)
              check(x, from, offset + begin);
            kernels.divergenceRowsF64(factorsOf(offset + begin, x.length), x, from, row, kFloor);
            search.countFirst(scoresOf(x, from, offset + begin), kNoBase);
          }),
        end: () => search.endFirst([rankAt(0.5), rankAt(0.75), rankAt(0.25)]),
      },
      {
        accept: (inputs, offset) =>
          forEachRows(inputs, (x, from, begin) =>
            search.countSecond(scoresOf(x, from, offset + begin), kNoBase),
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
      kernels.takeScoredRowsF32(
        out,
        inputs[other],
        inputs[base],
        factorsOf(offset, out.length),
        row,
        threshold,
      ),
    statistics: () => ({ threshold }),
  };
}
