import type { MergeMethod } from './method.js';
import { globalOf, othersOf, required } from './parameters.js';

/** Moves to the other model where it is near: r = w y + (1 - w) b with w = min(t / max(|b - y|, 1e-6), 1). */
export const nearswap: MergeMethod = {
  name: 'nearswap',
  reference: 'Alchemonaut, "QuartetAnemoi" model card, 2024; no paper',
  parameters: [required('t', 'global')],
  base: 'required',
  models: { min: 1, max: 1 },
  plan(context) {
    const { base, kernels } = context;
    const [other = base] = othersOf(context);
    const t = globalOf(nearswap, context, 't');
    return {
      passes: [],
      combine: (out, inputs) => kernels.nearSwapF32(out, inputs[base], inputs[other], t),
    };
  },
};
