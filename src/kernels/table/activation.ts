/** activation kernels. */
import { input, type KernelSpec, kernel, output, scalar } from '../define.js';
import { address } from './shared.js';

export const activationKernels = {
  reluF32: kernel('activation', [output('y', 'f32'), input('x', 'f32')]),
  /** dx = y > 0 ? dy : 0, where y is the output (or the input) of the rectifier. */
  reluGradF32: kernel('activation', [output('dx', 'f32'), input('dy', 'f32'), input('y', 'f32')]),
  tanhF32: kernel('activation', [output('y', 'f32'), input('x', 'f32')]),
  tanhGradF32: kernel('activation', [output('dx', 'f32'), input('dy', 'f32'), input('y', 'f32')]),
  sigmoidF32: kernel('activation', [output('y', 'f32'), input('x', 'f32')]),
  sigmoidGradF32: kernel('activation', [output('dx', 'f32'), input('dy', 'f32'), input('y', 'f32')]),
  expF32: kernel('activation', [output('y', 'f32'), input('x', 'f32')]),
  logF32: kernel('activation', [output('y', 'f32'), input('x', 'f32', 'n', { values: 'positive' })]),
  dropoutF32: kernel('activation', [
    output('y', 'f32'),
    input('x', 'f32'),
    scalar('rate', 'f32', 0.25),
    ...address,
  ]),
} satisfies Record<string, KernelSpec>;
