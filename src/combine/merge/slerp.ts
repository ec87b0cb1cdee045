import { arcCosine, sinCos } from './angles.js';
import { Gram, gramPass } from './gram.js';
import type { MergeMethod } from './method.js';
import { globalOf, required } from './parameters.js';
import { weightedSumOf } from './weighted-sum.js';

/** Cosine above which two vectors count as parallel, and the path between them as straight. */
const kParallel = 0.9995;
const kLeastNorm = 1e-8;

/**
 * Coefficients of the spherical path from a (t = 0) to b (t = 1), for the un-normalised vectors.
 *
 * @param cosine - of the angle between them, in [-1, 1].
 */
function slerpCoefficients(cosine: number, t: number): [number, number] {
  if (t === 0) return [1, 0];
  if (t === 1) return [0, 1];
  if (Math.abs(cosine) > kParallel) return [1 - t, t];
  const angle = arcCosine(cosine);
  const [sine] = sinCos(angle);
  return [sinCos((1 - t) * angle)[0] / sine, sinCos(t * angle)[0] / sine];
}

/** Spherical linear interpolation between the base (t = 0) and one other model (t = 1), a tensor as one vector. */
export const slerp: MergeMethod = {
  name: 'slerp',
  reference: 'Shoemake 1985, "Animating rotation with quaternion curves"; straight where |cos| > 0.9995',
  parameters: [required('t', 'global')],
  base: 'required',
  models: { min: 1, max: 1 },
  plan(context) {
    const { kernels, base } = context;
    const t = globalOf(slerp, context, 't');
    const other = context.models.findIndex((_, k) => k !== base);
    const copied = base >= 0 && other >= 0 ? -1 : Math.max(base, other);
    if (copied >= 0) return { passes: [], combine: (out, inputs) => out.set(inputs[copied]) };
    const gram = new Gram(2);
    const coefficients = new Float64Array(2);
    let cosine = 0;
    const end = (): void => {
      // A vector too short to have a direction is taken as it is.
      const lengthOf = (i: number): number => (gram.norm(i) > kLeastNorm ? gram.norm(i) : 1);
      cosine = gram.at(0, 1) / lengthOf(0) / lengthOf(1);
      coefficients.set(slerpCoefficients(cosine, t));
    };
    return {
      passes: [gramPass(kernels, context.size, gram, [base, other], -1, end)],
      ...weightedSumOf(kernels, [base, other], coefficients),
      statistics: () => ({ t, cosine }),
    };
  },
};
