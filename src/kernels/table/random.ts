/** random: addressed Philox4x32-10. */
import { type KernelSpec, kernel, output, scalar, update } from '../define.js';
import { address, kMebi16 } from './shared.js';

export const randomKernels = {
  randomBitsU32: kernel('random', [output('out', 'u32', 'n', { values: 'bits' }), ...address], {
    bench: kMebi16,
    bytes: '4*n',
  }),
  uniformF32: kernel('random', [output('out', 'f32'), ...address], { bench: kMebi16, bytes: '4*n' }),
  normalF32: kernel('random', [output('out', 'f32'), scalar('stddev', 'f32', 1), ...address], {
    bench: kMebi16,
    bytes: '4*n',
  }),
  addNormalF32: kernel('random', [update('x', 'f32'), scalar('stddev', 'f32', 0.5), ...address], {
    bench: kMebi16,
    bytes: '8*n',
  }),
  normalF64: kernel('random', [output('out', 'f64'), scalar('stddev', 'f64', 1), ...address], {
    bench: kMebi16,
    bytes: '8*n',
  }),
  bernoulliU8: kernel(
    'random',
    [output('out', 'u8', 'n', { values: 'mask' }), scalar('probability', 'f64', 0.3), ...address],
    { bench: kMebi16, bytes: 'n' },
  ),
  permutationU32: kernel(
    'random',
    [
      output('out', 'u32', 'n', { values: 'bits' }),
      scalar('key0', 'u32', 11),
      scalar('key1', 'u32', 12),
      scalar('step', 'u32', 3),
      scalar('site', 'u32', 7),
    ],
    { cases: [0, 1, 2, 3, 600, 10_007].map((n) => ({ n })) },
  ),
} satisfies Record<string, KernelSpec>;
