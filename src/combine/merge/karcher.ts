import { arcCosine, sinCos } from './angles.js';
import { MergeMethodError } from './errors.js';
import { Gram, gramPass } from './gram.js';
import type { MergeMethod, TensorContext } from './method.js';
import { globalOf, optional } from './parameters.js';
import { weightedSumOf } from './weighted-sum.js';

/**
 * Karcher (Riemannian) mean of the directions of all inputs with equal weights, times the mean of their norms. A base is a point like
 * the others. Inputs with a norm up to `tol` have no direction, but count in the mean of the norms.
 *
 * The iteration runs on the Gram matrix, with coefficient vectors.
 */
export const karcher: MergeMethod = {
  name: 'karcher',
  reference: '"Karcher merging" (arXiv 2603.04972)',
  parameters: [optional('max_iter', 'global', 10, { min: 0 }), optional('tol', 'global', 1e-5)],
  base: 'model',
  models: { min: 1 },
  plan(context) {
    const { kernels, models, size } = context;
    const all = models.map((_, k) => k);
    if (all.length === 1) return { passes: [], combine: (out, inputs) => out.set(inputs[0]) };
    const gram = new Gram(all.length);
    const coefficients = new Float64Array(all.length);
    const limits = { steps: globalOf(karcher, context, 'max_iter'), tol: globalOf(karcher, context, 'tol') };
    const end = (): void => coefficients.set(karcherMean(context, gram, limits));
    return {
      passes: [gramPass(kernels, size, gram, all, -1, end)],
      ...weightedSumOf(kernels, all, coefficients),
    };
  },
};

function karcherMean(
  context: TensorContext,
  gram: Gram,
  { steps, tol }: { steps: number; tol: number },
): number[] {
  const norms = context.models.map((_, i) => gram.norm(i));
  const valid = norms.flatMap((norm, i) => (norm > tol ? [i] : []));
  if (valid.length === 0) return norms.map(() => 0);
  const share = 1 / valid.length;
  /** Unit vector of input i as coefficients. */
  const direction = (i: number): number[] => norms.map((norm, k) => (k === i ? 1 / norm : 0));
  let u = norms.map((norm) => (norm > tol ? share / norm : 0));
  const length = gram.normOf(u);
  u = length >= tol ? u.map((c) => c / length) : direction(valid[0]);
  for (let step = 0; step < steps; step++) {
    const tangent = norms.map(() => 0);
    for (const i of valid) {
      const cosine = Math.max(-1, Math.min(1, gram.dot(u, direction(i))));
      const angle = arcCosine(cosine);
      if (angle < tol) continue;
      if (1 + cosine < 1e-7)
        throw new MergeMethodError(
          'ERR_ANTIPODAL_CANCELLATION',
          'karcher',
          context.tensor,
          `model ${context.models[i]} points away from the mean of all, so that the way to it has no direction`,
          'leave out this model, or merge this tensor with linear',
        );
      const factor = (share * angle) / sinCos(angle)[0];
      for (let k = 0; k < u.length; k++) tangent[k] -= factor * cosine * u[k];
      tangent[i] += factor / norms[i];
    }
    const size = gram.normOf(tangent);
    if (size < tol) break;
    const [sine, cosine] = sinCos(size);
    const moved = u.map((c, k) => cosine * c + (sine / size) * tangent[k]);
    const norm = gram.normOf(moved);
    u = norm > tol ? moved.map((c) => c / norm) : moved;
  }
  const meanNorm = norms.reduce((sum, norm) => sum + norm, 0) / norms.length;
  return u.map((c) => c * meanNorm);
}
