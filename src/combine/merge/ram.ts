import type { MergeMethod, TensorContext, TensorMerge } from './method.js';
import { globalOf, optional, othersOf, pick } from './parameters.js';

function planRam(context: TensorContext, epsilon: number, boost?: { r: number; alpha: number }): TensorMerge {
  const { base, kernels } = context;
  const others = othersOf(context);
  if (others.length === 0) return { passes: [], combine: (out, inputs) => out.set(inputs[base]) };
  const scales = new Float64Array(others.length).fill(1);
  const combine: TensorMerge['combine'] = (out, inputs) =>
    kernels.addUniqueDeltasF32(out, inputs[base], pick(inputs, others), scales, epsilon);
  if (!boost) return { passes: [], combine };
  const shared = new Float64Array(others.length);
  const unique = new Float64Array(others.length);
  return {
    passes: [
      {
        accept: (inputs) =>
          kernels.countUniqueF64(shared, unique, inputs[base], pick(inputs, others), epsilon),
        end() {
          for (let i = 0; i < scales.length; i++) {
            const ratio = shared[i] / Math.max(unique[i], epsilon);
            scales[i] = 1 + boost.r * Math.min(Math.max(ratio, 0), boost.alpha);
          }
        },
      },
    ],
    combine,
  };
}

const epsilon = optional('epsilon', 'global', 1e-5);
const reference = '"RAM" (arXiv 2601.13572)';

/** Entries that one model alone changed are added whole, those that several changed are averaged among them. */
export const ram: MergeMethod = {
  name: 'ram',
  reference,
  parameters: [epsilon],
  base: 'required',
  models: { min: 0 },
  plan: (context) => planRam(context, globalOf(ram, context, 'epsilon')),
};

/** Like `ram`, with a model's own entries scaled by 1 + r * clamp(shared / unique, 0, alpha), counted per tensor. */
export const ramPlus: MergeMethod = {
  name: 'ramplus_tl',
  reference: `${reference}, RAM+ with counts per tensor`,
  parameters: [optional('r', 'global', 0.1), optional('alpha', 'global', 0.2), epsilon],
  base: 'required',
  models: { min: 0 },
  plan: (context) =>
    planRam(context, globalOf(ramPlus, context, 'epsilon'), {
      r: globalOf(ramPlus, context, 'r'),
      alpha: globalOf(ramPlus, context, 'alpha'),
    }),
};
