/** clip: norms, clipping and float64 accumulation. */
import { input, inputs, type KernelSpec, kernel, lengths, output, scalar, update } from '../define.js';
import { stream } from './shared.js';

export const clipKernels = {
  clipInPlaceF32: kernel('clip', [update('x', 'f32'), scalar('maxNorm', 'f64', 2)], {
    returns: 'f64',
    ...stream('12*n'),
  }),
  clipAccumulateF64: kernel(
    'clip',
    [update('acc', 'f64'), input('x', 'f32'), scalar('maxNorm', 'f64', 2), scalar('weight', 'f64', 3)],
    { returns: 'f64', ...stream('24*n') },
  ),
  accumulateF64: kernel(
    'clip',
    [update('acc', 'f64'), input('x', 'f32'), scalar('weight', 'f64', 3)],
    stream('20*n'),
  ),
  maskedAccumulateF64: kernel(
    'clip',
    [
      update('acc', 'f64'),
      update('counts', 'f64'),
      input('x', 'f32'),
      input('mask', 'u8', 'n', { values: 'mask' }),
      scalar('weight', 'f64', 3),
    ],
    stream('37*n'),
  ),
  meanF32: kernel(
    'clip',
    [output('dst', 'f32'), input('acc', 'f64'), scalar('denominator', 'f64', 7)],
    stream('12*n'),
  ),
  meanOfHoldersF32: kernel('clip', [
    output('dst', 'f32'),
    input('acc', 'f64'),
    input('counts', 'f64', 'n', { values: 'mask' }),
    scalar('minCount', 'f64', 1),
  ]),
  weightedSumF32: kernel(
    'clip',
    [output('dst', 'f32'), inputs('sources'), input('weights', 'f64', 'lists')],
    {
      cases: lengths()
        .flatMap(({ n }) => [1, 2, 3, 8, 9].map((lists) => ({ n, lists })))
        .filter((c) => c.n < 5000),
      bench: [{ n: 1 << 21, lists: 8 }],
      bytes: '4*n*lists+4*n',
      bound: 'copy',
    },
  ),
} satisfies Record<string, KernelSpec>;
