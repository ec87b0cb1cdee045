import type { MergeMethod } from './method.js';
import { planTaskVectors, taskVectorParameters } from './task-vectors.js';

/** Sum of task vectors: r = b + lambda * sum w_i d_i, divided by sum w_i with `normalize`. `density` is not used. */
export const taskArithmetic: MergeMethod = {
  name: 'task_arithmetic',
  reference: 'Ilharco et al. 2023, "Editing Models with Task Arithmetic" (arXiv 2212.04089)',
  parameters: taskVectorParameters({ normalize: false, rescale: false }),
  base: 'required',
  models: { min: 0 },
  plan: (context) => planTaskVectors(taskArithmetic, context, { elect: false }),
};
