import type { MergeMethod } from './method.js';
import { optional, perModelOf } from './parameters.js';

/** One model as it is, or times `scale`. */
export const passthrough: MergeMethod = {
  name: 'passthrough',
  reference: 'none: the input itself',
  parameters: [optional('scale', 'model', 1)],
  base: 'none',
  models: { min: 1, max: 1 },
  plan(context) {
    const [scale] = perModelOf(passthrough, context, 'scale');
    return {
      passes: [],
      combine(out, inputs) {
        out.set(inputs[0]);
        if (scale !== 1) context.kernels.scaleF32(out, scale);
      },
    };
  },
};
