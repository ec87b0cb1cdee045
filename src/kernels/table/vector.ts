/** vector: one pass over flat float32 vectors. */
import { input, type KernelSpec, kernel, output, scalar, update } from '../define.js';
import { stream } from './shared.js';

export const vectorKernels = {
  fillF32: kernel('vector', [output('dst', 'f32'), scalar('value', 'f32', 1.5)], stream('4*n')),
  copyF32: kernel('vector', [output('dst', 'f32'), input('src', 'f32')], stream('8*n')),
  scaleF32: kernel('vector', [update('x', 'f32'), scalar('factor', 'f32', -0.7)], stream('8*n')),
  axpyF32: kernel('vector', [update('y', 'f32'), input('x', 'f32'), scalar('a', 'f32', 0.3)], stream('12*n')),
  addF32: kernel('vector', [output('dst', 'f32'), input('a', 'f32'), input('b', 'f32')], stream('12*n')),
  subtractF32: kernel('vector', [output('dst', 'f32'), input('a', 'f32'), input('b', 'f32')], stream('12*n')),
  multiplyF32: kernel('vector', [output('dst', 'f32'), input('a', 'f32'), input('b', 'f32')], stream('12*n')),
  lerpF32: kernel(
    'vector',
    [output('dst', 'f32'), input('a', 'f32'), input('b', 'f32'), scalar('t', 'f32', 0.4)],
    stream('12*n'),
  ),
  applyMaskF32: kernel(
    'vector',
    [update('x', 'f32'), input('mask', 'u8', 'n', { values: 'mask' })],
    stream('9*n'),
  ),
  addF64: kernel('vector', [update('dst', 'f64'), input('src', 'f64')]),
  copyF64: kernel('vector', [output('dst', 'f64'), input('src', 'f64')]),
  fillF64: kernel('vector', [output('dst', 'f64'), scalar('value', 'f64', 0.25)]),
} satisfies Record<string, KernelSpec>;
