/**
 * The pipeline that the task-vector methods share: d_i = x_i - b, thin out, rescale, weight, elect signs, sum, normalise, add to b.
 *
 * Without election r = b + lambda * sum(w_i d_i) / D with D = sum w_i (1 where that is below 1e-8), or D = 1 without `normalize`; with
 * election as `electMeanF32` says.
 */
import { blockedPass, forEachPiece, kBlock, kPiece } from './blocks.js';
import { NonFiniteInputError } from './errors.js';
import type { MergeMethod, StatisticsPass, TensorContext, TensorMerge } from './method.js';
import {
  choice,
  globalOf,
  optional,
  othersOf,
  parameterChoices,
  perModelOf,
  pick,
  required,
} from './parameters.js';
import { SignConflicts } from './sign-conflicts.js';
import type { OnNonFinite, Sparsifier } from './sparsifiers.js';
import { deltaWeightedSumOf } from './weighted-sum.js';

const kNoBase = new Float32Array(0);
/** Sums of magnitudes below which a task vector is not rescaled. */
const kLeastSum = 1e-7;
const kLeastWeightSum = 1e-8;

export interface TaskVectorRules {
  readonly elect: boolean;
  /** Sparsifier of input k, or undefined where it keeps all. */
  sparsifier?(k: number): Sparsifier | undefined;
  /** The sparsifier divides by the probabilities of its elements itself where `rescale_norm` is `expectation`. */
  readonly ownExpectation?: boolean;
  /** What the sparsifiers share, as `workingBytes` of {@link TensorMerge}. */
  readonly workingBytes?: number;
}

/**
 * What makes up for dropped entries: `l1` keeps the sum of magnitudes of the tensor, `expectation` divides by the share that is kept, or
 * where entries have their own by the probability of each; `none` where `rescale` is off too.
 */
export function rescaleNorm(
  method: MergeMethod,
  context: TensorContext,
): (typeof parameterChoices.rescale_norm)[number] {
  if (globalOf(method, context, 'rescale') === 0) return 'none';
  return parameterChoices.rescale_norm[globalOf(method, context, 'rescale_norm')];
}

/** Parameters that all these methods have. `int8_mask` is accepted and changes nothing. */
export const taskVectorParameters = (defaults: { normalize: boolean; rescale: boolean }) => [
  required('weight', 'model'),
  optional('density', 'model', 1),
  optional('normalize', 'global', defaults.normalize),
  optional('lambda', 'global', 1),
  optional('rescale', 'global', defaults.rescale),
  choice('rescale_norm'),
  optional('int8_mask', 'global', false),
];

/** Throws for the first element of a chunk that has no rank, unless in strict mode, where a NaN counts as largest. */
export function nonFiniteCheck(
  method: Pick<MergeMethod, 'name'>,
  context: Pick<TensorContext, 'strict' | 'tensor' | 'models'>,
  k: number,
): OnNonFinite {
  return (x, base, offset) => {
    if (context.strict) return;
    const at = x.findIndex(
      (value, i) => !Number.isFinite(Math.fround(value - (base.length > 0 ? base[i] : 0))),
    );
    if (at >= 0) throw new NonFiniteInputError(method.name, context.tensor, context.models[k], offset + at);
  };
}

export function planTaskVectors(
  method: MergeMethod,
  context: TensorContext,
  rules: TaskVectorRules,
): TensorMerge {
  const { base, kernels } = context;
  const others = othersOf(context);
  if (others.length === 0) return { passes: [], combine: (out, inputs) => out.set(inputs[base]) };
  const weights = Float64Array.from(pick(perModelOf(method, context, 'weight'), others));
  const normalize = globalOf(method, context, 'normalize') !== 0;
  const norm = rescaleNorm(method, context);
  const densities = perModelOf(method, context, 'density');
  const lambda = globalOf(method, context, 'lambda');
  const sparsifiers = others.map((k) => rules.sparsifier?.(k));
  const factors = others.map((k, i) =>
    norm === 'expectation' && !rules.ownExpectation && sparsifiers[i] && densities[k] > 0
      ? 1 / densities[k]
      : 1,
  );
  const measured: MeasuredVector[] = [];
  const alignment = sparsifiers.reduce((least, s) => leastCommonMultiple(least, s?.alignment ?? 1), 1);
  const passes = selectionPasses(sparsifiers, others, base);
  if (norm === 'l1' && sparsifiers.some((s) => s !== undefined))
    passes.push(...rescalePass(context, sparsifiers, others, factors, alignment, measured));

  const sum = weights.reduce((total, weight) => total + weight, 0);
  // One vector has nobody to disagree with: the election divides each entry by the same weight, and b + (x - b) in one rounding is x.
  const alone = others.length === 1;
  const divisor = divisorOf(sum, { normalize, elect: rules.elect, alone });
  const scaled = (): Float64Array => weights.map((weight, i) => weight * factors[i]);
  if ((alone || !rules.elect) && sparsifiers.every((s) => s === undefined)) {
    const coefficients = weights.map((weight) => (lambda * weight) / divisor);
    return { passes, ...deltaWeightedSumOf(kernels, base, others, coefficients) };
  }
  const step = pieceLength(alignment);
  // Task vectors of a piece, and one that is masked: more than the usual where rows are.
  const pieces = step > kPiece ? 4 * step * (others.length + 1) : 0;
  const deltas = others.map(() => new Float32Array(0));
  const conflicts = rules.elect && !alone ? new SignConflicts() : undefined;
  let scales: Float64Array | undefined;
  return {
    alignment,
    workingBytes: pieces + (rules.workingBytes ?? 0),
    passes,
    ...((conflicts || measured.length > 0) && {
      statistics: () => ({
        ...(measured.length > 0 && magnitudes(measured, context.size)),
        ...(conflicts && { signConflicts: conflicts.share }),
      }),
    }),
    ...(sparsifiers.some((s) => s?.kept !== undefined) && keptOf(context, others, sparsifiers)),
    combine(out, inputs, offset) {
      scales ??= scaled();
      const { length } = out;
      if (deltas[0].length < Math.min(step, length))
        deltas.forEach((_, i) => {
          deltas[i] = new Float32Array(Math.min(step, length));
        });
      const factorsOfSum = Float64Array.of(1, ...scales.map((scale) => (lambda * scale) / divisor));
      forEachPiece(
        length,
        (begin, end) => {
          const from = inputs[base].subarray(begin, end);
          const pieces = deltas.map((array) => array.subarray(0, end - begin));
          others.forEach((k, i) => {
            const x = inputs[k].subarray(begin, end);
            const sparsifier = sparsifiers[i];
            if (sparsifier) sparsifier.apply(pieces[i], x, from, offset + begin);
            else kernels.subtractF32(pieces[i], x, from);
          });
          conflicts?.count(pieces, weights, Math.floor((offset + begin) / step));
          const target = out.subarray(begin, end);
          if (rules.elect && scales)
            kernels.electMeanF32(
              target,
              from,
              pieces,
              scales,
              scales,
              weights,
              lambda,
              Number.NEGATIVE_INFINITY,
              normalize ? 1 : 0,
            );
          else kernels.weightedSumF32(target, [from, ...pieces], factorsOfSum);
        },
        step,
      );
    },
  };
}

/** What thresholds from without keep is counted while it is combined, from the first element on. */
function keptOf(
  { models, size }: TensorContext,
  others: readonly number[],
  sparsifiers: readonly (Sparsifier | undefined)[],
): Pick<TensorMerge, 'inOrder' | 'kept'> {
  return {
    inOrder: true,
    kept: () => models.map((_, k) => sparsifiers[others.indexOf(k)]?.kept?.() ?? size),
  };
}

/** What the weighted sum is divided by, where that is one number for all elements. */
function divisorOf(sum: number, by: { normalize: boolean; elect: boolean; alone: boolean }): number {
  if (!by.normalize) return 1;
  if (by.elect) return by.alone && sum !== 0 ? sum : 1;
  return Math.abs(sum) < kLeastWeightSum ? 1 : sum;
}

/** The passes of all sparsifiers side by side. */
function selectionPasses(
  sparsifiers: readonly (Sparsifier | undefined)[],
  others: readonly number[],
  base: number,
): StatisticsPass[] {
  const count = Math.max(...sparsifiers.map((s) => s?.passes.length ?? 0));
  return Array.from({ length: count }, (_, pass) => ({
    accept(inputs, offset) {
      forEachPiece(inputs[0].length, (begin, end) => {
        const from = inputs[base].subarray(begin, end);
        sparsifiers.forEach((s, i) => {
          s?.passes[pass]?.accept(inputs[others[i]].subarray(begin, end), from, offset + begin);
        });
      });
    },
    end() {
      for (const s of sparsifiers) s?.passes[pass]?.end();
    },
  }));
}

/** sum|d| of a task vector, whole and as far as it is kept. */
interface MeasuredVector {
  readonly whole: Float64Array;
  readonly kept: Float64Array;
}

/** Mean |d| of the task vector with the largest, and the least share of sum|d| that one of them keeps. */
function magnitudes(vectors: readonly MeasuredVector[], size: number): Record<string, number> {
  const means = vectors.map(({ whole }) => whole[0] / Math.max(1, size));
  const shares = vectors.map(({ whole, kept }) => (whole[0] > 0 ? kept[0] / whole[0] : 1));
  return { meanDelta: Math.max(...means), keptShare: Math.min(...shares) };
}

/** Measures sum|d| and sum|d * mask|; their ratio is the factor that keeps the L1 norm. */
function rescalePass(
  context: TensorContext,
  sparsifiers: readonly (Sparsifier | undefined)[],
  others: readonly number[],
  factors: number[],
  alignment: number,
  vectors: MeasuredVector[],
): StatisticsPass[] {
  const { kernels, base, size } = context;
  const step = Math.ceil(kBlock / alignment) * alignment;
  const measured = others.flatMap((k, i) => {
    const sparsifier = sparsifiers[i];
    if (!sparsifier) return [];
    const whole = new Float64Array(1);
    const kept = new Float64Array(1);
    vectors.push({ whole, kept });
    const sums = blockedPass(size, ([mask, x, from]) => {
      for (let begin = 0; begin < x.length; begin += kBlock) {
        const end = Math.min(x.length, begin + kBlock);
        kernels.sumAbsDeltaF64(whole, x.subarray(begin, end), from.subarray(begin, end));
        kernels.sumAbsDeltaF64(kept, mask.subarray(begin, end), kNoBase);
      }
    });
    return [{ k, i, sparsifier, whole, kept, sums }];
  });
  let masked = new Float32Array(0);
  return [
    {
      accept(inputs, offset) {
        forEachPiece(
          inputs[0].length,
          (begin, end) => {
            if (masked.length < end - begin) masked = new Float32Array(end - begin);
            const mask = masked.subarray(0, end - begin);
            const from = inputs[base].subarray(begin, end);
            for (const { k, sparsifier, sums } of measured) {
              const x = inputs[k].subarray(begin, end);
              sparsifier.apply(mask, x, from, offset + begin);
              sums.accept([mask, x, from], offset + begin);
            }
          },
          step,
        );
      },
      end() {
        for (const { i, whole, kept } of measured)
          factors[i] = whole[0] < kLeastSum || kept[0] < kLeastSum ? 1 : whole[0] / kept[0];
      },
    },
  ];
}

const pieceLength = (alignment: number): number => Math.ceil(kPiece / alignment) * alignment;

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
