import type { RandomKey } from '../../kernels/address.js';
import { philox4x32 } from '../../kernels/reference/philox.js';
import { expF64, logF64 } from './elementary.js';

/** Sites under one (key, index, step): each kind of draw has its own counters. */
const siteNormal = 0;
const siteAccept = 1;
const siteBoost = 2;

/** Uniform on (0, 1) with 53 bits, never an end point: from two words. */
export function openUniform(high: number, low: number): number {
  return ((high >>> 5) * 0x4000000 + (low >>> 6) + 0.5) / 0x20000000000000;
}

/**
 * Logarithm of a Gamma(shape, 1) variate: Marsaglia and Tsang 2000, "A Simple Method for Generating Gamma Variables",
 * with their boost `G(a) = G(a + 1) * U^(1/a)` below shape 1. As a logarithm, because for small shapes (Dirichlet
 * concentrations of 0.01 and less) the variate itself underflows to 0.
 *
 * @param shape - above 0.
 * @param index - which draw under `key` and `step`; attempts use counter word 0.
 */
export function logGammaVariate(shape: number, key: RandomKey, index: number, step: number): number {
  if (shape < 1) {
    const words = philox4x32(0, index, step, siteBoost, key.key0, key.key1);
    return logGammaVariate(shape + 1, key, index, step) + logF64(openUniform(words[0], words[1])) / shape;
  }
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (let attempt = 0; ; attempt++) {
    const x = normalAttempt(key, attempt, index, step);
    if (x === undefined) continue;
    const root = 1 + c * x;
    if (root <= 0) continue;
    const v = root * root * root;
    const words = philox4x32(attempt, index, step, siteAccept, key.key0, key.key1);
    const logU = logF64(openUniform(words[0], words[1]));
    if (logU < 0.5 * x * x + d - d * v + d * logF64(v)) return logF64(d) + logF64(v);
  }
}

/** One try of Marsaglia's polar method: a standard normal, or nothing when the point falls outside the disc. */
function normalAttempt(key: RandomKey, attempt: number, index: number, step: number): number | undefined {
  const words = philox4x32(attempt, index, step, siteNormal, key.key0, key.key1);
  const u = 2 * openUniform(words[0], words[1]) - 1;
  const v = 2 * openUniform(words[2], words[3]) - 1;
  const square = u * u + v * v;
  return square < 1 && square > 0 ? u * Math.sqrt((-2 * logF64(square)) / square) : undefined;
}

/**
 * Logarithms of unnormalised Dirichlet weights: `q ~ Dir(concentration)` is their softmax. Restricting them to some
 * classes and normalising again gives the Dirichlet on those classes, however small the weights are.
 *
 * @param concentration - one entry per class; entries of 0 get -Infinity (the class is never drawn).
 */
export function logDirichletWeights(
  concentration: ArrayLike<number>,
  key: RandomKey,
  step: number,
): Float64Array {
  const logWeights = new Float64Array(concentration.length);
  for (let c = 0; c < concentration.length; c++)
    logWeights[c] =
      concentration[c] > 0 ? logGammaVariate(concentration[c], key, c, step) : Number.NEGATIVE_INFINITY;
  return logWeights;
}

/** Probabilities of log weights: exp(w - max), normalised in index order. */
export function softmaxOfLogWeights(logWeights: Float64Array): Float64Array {
  let top = Number.NEGATIVE_INFINITY;
  for (const w of logWeights) if (w > top) top = w;
  const q = new Float64Array(logWeights.length);
  let total = 0;
  for (let c = 0; c < q.length; c++) {
    q[c] = logWeights[c] === Number.NEGATIVE_INFINITY ? 0 : expF64(logWeights[c] - top);
    total += q[c];
  }
  for (let c = 0; c < q.length; c++) q[c] /= total;
  return q;
}
