/** fisher: diagonal Fisher information. */
import { input, inputs, type KernelSpec, kernel, output, scalar, update } from '../define.js';
import { stream } from './shared.js';

export const fisherKernels = {
  accumulateSquaresF64: kernel('fisher', [update('acc', 'f64'), input('g', 'f32')], stream('20*n')),
  movingAverageSquaresF32: kernel(
    'fisher',
    [update('v', 'f32'), input('g', 'f32'), scalar('decay', 'f32', 0.9)],
    stream('12*n'),
  ),
  scoreUnitsF64: kernel(
    'fisher',
    [
      update('scores', 'f64', 'units'),
      input('fisher', 'f64', 'units*rowLength', { values: 'positive' }),
      scalar('rowLength', 'u32', 3),
    ],
    {
      cases: [0, 1, 3, 16, 50].flatMap((units) =>
        [1, 15, 16, 100].map((rowLength) => ({ units, rowLength })),
      ),
    },
  ),
  fisherAverageF32: kernel(
    'fisher',
    [
      output('dst', 'f32'),
      inputs('models'),
      inputs('fishers'),
      input('weights', 'f64', 'lists', { values: 'positive' }),
      scalar('floor', 'f64', 1e-6),
    ],
    { cases: [0, 1, 17, 1000].flatMap((n) => [1, 2, 5].map((lists) => ({ n, lists }))) },
  ),
} satisfies Record<string, KernelSpec>;
