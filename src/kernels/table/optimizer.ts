/** optimizer kernels. */
import { input, type KernelSpec, kernel, scalar, update } from '../define.js';

export const optimizerKernels = {
  /** Plain, momentum or Nesterov SGD as PyTorch has it: g += decay * w; v = momentum * v + g; w -= lr * (v or g + momentum * v). */
  sgdStepF32: kernel(
    'optimizer',
    [
      update('w', 'f32'),
      update('velocity', 'f32', 'n', { optional: true }),
      input('g', 'f32'),
      scalar('lr', 'f32', 0.1),
      scalar('momentum', 'f32', 0.9),
      scalar('nesterov', 'u32', 0),
      scalar('weightDecay', 'f32', 0.01),
    ],
    {
      cases: [0, 1, 17, 1000].flatMap((n) => [
        { n, nesterov: 0, with_velocity: 1 },
        { n, nesterov: 1, with_velocity: 1 },
        { n, nesterov: 0, with_velocity: 0 },
      ]),
    },
  ),
  adamStepF32: kernel('optimizer', [
    update('w', 'f32'),
    update('m', 'f32'),
    update('v', 'f32', 'n', { values: 'positive' }),
    input('g', 'f32'),
    scalar('lr', 'f32', 0.001),
    scalar('beta1', 'f32', 0.9),
    scalar('beta2', 'f32', 0.999),
    scalar('epsilon', 'f32', 1e-8),
    scalar('weightDecay', 'f32', 0),
    scalar('beta1Power', 'f64', 0.9),
    scalar('beta2Power', 'f64', 0.999),
  ]),
  /** g += a * (w - center) + v; an empty center is 0, an empty v is 0 (spec: affine gradient term). */
  addAffineTermF32: kernel(
    'optimizer',
    [
      update('g', 'f32'),
      input('w', 'f32'),
      input('center', 'f32', 'n', { optional: true }),
      input('v', 'f32', 'n', { optional: true }),
      scalar('a', 'f32', 0.3),
    ],
    {
      cases: [0, 1, 17, 1000].flatMap((n) =>
        [
          [1, 1],
          [0, 1],
          [1, 0],
        ].map(([with_center, with_v]) => ({ n, with_center, with_v })),
      ),
    },
  ),
  addAffineVectorF32: kernel('optimizer', [
    update('g', 'f32'),
    input('a', 'f32'),
    input('w', 'f32'),
    input('center', 'f32'),
  ]),
  /** x *= max(norm, 1e-6) > C ? C / norm : 1, the norm given as its square in norm2[0] (global gradient clip). */
  clipByNormF32: kernel('optimizer', [
    update('x', 'f32'),
    input('norm2', 'f64', '1', { values: 'positive' }),
    scalar('maxNorm', 'f64', 1),
  ]),
} satisfies Record<string, KernelSpec>;
