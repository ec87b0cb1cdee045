import { arcCosine, sinCos } from './angles.js';
import { slices } from './blocks.js';
import { Gram, gramPass } from './gram.js';
import type { MergeMethod, TensorContext, TensorMerge } from './method.js';
import { globalOf, optional, othersOf, perModelOf, pick, required } from './parameters.js';
import { combinationOf } from './weighted-sum.js';

const kLeastNorm = 1e-7;

/** Coefficients of x1 and x2 from their inner products; (anti)parallel vectors are interpolated on a straight line. */
function nuslerpCoefficients(dot: number, square1: number, square2: number, t: number): [number, number] {
  const lengths = Math.max(Math.sqrt(square1), kLeastNorm) * Math.max(Math.sqrt(square2), kLeastNorm);
  const cosine = Math.max(-1, Math.min(1, dot / lengths));
  if (1 - Math.abs(cosine) < 1e-7) return [1 - t, t];
  const angle = arcCosine(cosine);
  const [sine] = sinCos(angle);
  return [sinCos((1 - t) * angle)[0] / sine, sinCos(t * angle)[0] / sine];
}

/**
 * Spherical interpolation of two models, or with a base of their two task vectors, by relative weights.
 *
 * Vectors are whole tensors, or with `nuslerp_flatten: false` rows along the last axis (`nuslerp_row_wise: false`) or columns along the
 * first (`true`). Antiparallel vectors take the straight line, where the reference tool divides by a rounding error.
 */
export const nuslerp: MergeMethod = {
  name: 'nuslerp',
  reference: 'Shoemake 1985 with weights, as mergekit defines it',
  parameters: [
    required('weight', 'model'),
    optional('nuslerp_flatten', 'global', true),
    optional('nuslerp_row_wise', 'global', false),
  ],
  base: 'optional',
  models: { min: 2, max: 2 },
  plan(context) {
    const others = othersOf(context);
    if (others.length === 1) return { passes: [], combine: (out, inputs) => out.set(inputs[others[0]]) };
    const [first, second] = pick(perModelOf(nuslerp, context, 'weight'), others);
    const t = Math.abs(first + second) < 1e-6 ? 0.5 : second / (first + second);
    const flat = globalOf(nuslerp, context, 'nuslerp_flatten') !== 0 || context.shape.length < 2;
    if (flat) return planFlat(context, others, t);
    return globalOf(nuslerp, context, 'nuslerp_row_wise') !== 0
      ? planColumns(context, others, t)
      : planRows(context, others, t);
  },
};

function planFlat(context: TensorContext, others: readonly number[], t: number): TensorMerge {
  const gram = new Gram(2);
  const coefficients = new Float64Array(2);
  let cosine = 0;
  const end = (): void => {
    const lengths = gram.norm(0) * gram.norm(1);
    cosine = lengths === 0 ? 0 : gram.at(0, 1) / lengths;
    coefficients.set(nuslerpCoefficients(gram.at(0, 1), gram.at(0, 0), gram.at(1, 1), t));
  };
  return {
    passes: [gramPass(context.kernels, context.size, gram, others, context.base, end)],
    ...combinationOf(context.kernels, context.base, others, coefficients),
    statistics: () => ({ t, cosine }),
  };
}

function planRows(context: TensorContext, others: readonly number[], t: number): TensorMerge {
  const row = context.shape[context.shape.length - 1];
  const gram = new Gram(2);
  const coefficients = new Float64Array(2);
  const { combine } = combinationOf(context.kernels, context.base, others, coefficients);
  return {
    alignment: row,
    passes: [],
    combine(out, inputs, offset) {
      for (let begin = 0; begin < out.length; begin += row) {
        const parts = slices(inputs, begin, begin + row);
        gram.clear();
        gram.add(context.kernels, pick(parts, others), context.base >= 0 ? parts[context.base] : undefined);
        coefficients.set(nuslerpCoefficients(gram.at(0, 1), gram.at(0, 0), gram.at(1, 1), t));
        combine(out.subarray(begin, begin + row), parts, offset + begin);
      }
    },
  };
}

function planColumns(context: TensorContext, others: readonly number[], t: number): TensorMerge {
  const { base, shape, size } = context;
  const columns = size / shape[0];
  const [a, b] = others;
  const dots = new Float64Array(columns);
  const squares = [new Float64Array(columns), new Float64Array(columns)];
  return {
    passes: [
      {
        accept(inputs, offset) {
          const [x, y] = [inputs[a], inputs[b]];
          const from = base >= 0 ? inputs[base] : undefined;
          for (let i = 0, column = offset % columns; i < x.length; i++) {
            const origin = from ? from[i] : 0;
            const u = x[i] - origin;
            const v = y[i] - origin;
            dots[column] += u * v;
            squares[0][column] += u * u;
            squares[1][column] += v * v;
            column = column + 1 === columns ? 0 : column + 1;
          }
        },
        end() {
          for (let c = 0; c < columns; c++)
            [squares[0][c], squares[1][c]] = nuslerpCoefficients(dots[c], squares[0][c], squares[1][c], t);
        },
      },
    ],
    combine(out, inputs, offset) {
      const from = base >= 0 ? inputs[base] : undefined;
      for (let i = 0, column = offset % columns; i < out.length; i++) {
        const origin = from ? from[i] : 0;
        out[i] =
          origin +
          (squares[0][column] * (inputs[a][i] - origin) + squares[1][column] * (inputs[b][i] - origin));
        column = column + 1 === columns ? 0 : column + 1;
      }
    },
  };
}
