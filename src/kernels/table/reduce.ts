/** reduce: float64 sums in 16 lanes and blocks of 65,536, and compares. */
import { input, type KernelSpec, kernel, output, scalar, update } from '../define.js';
import { rowCases, stream } from './shared.js';

export const reduceKernels = {
  dotF32: kernel('reduce', [input('a', 'f32'), input('b', 'f32')], {
    returns: 'f64',
    ...stream('8*n', 'read'),
  }),
  sumSquaresF32: kernel('reduce', [input('x', 'f32')], { returns: 'f64', ...stream('4*n', 'read') }),
  maxAbsF32: kernel('reduce', [input('x', 'f32')], { returns: 'f32', ...stream('4*n', 'read') }),
  allFiniteF32: kernel('reduce', [input('x', 'f32')], { returns: 'u32', ...stream('4*n', 'read') }),
  dotAndNormsF32: kernel(
    'reduce',
    [output('out', 'f64', '3'), input('a', 'f32'), input('b', 'f32')],
    stream('8*n', 'read'),
  ),
  sumSegmentsF32: kernel(
    'reduce',
    [
      output('out', 'f64', 'segments'),
      input('x', 'f32'),
      input('offsets', 'u32', 'segments+1', { values: 'offsets', below: 'n+1' }),
    ],
    {
      cases: [0, 1, 16, 1000, 200_003].map((n) => ({ n, segments: Math.min(n, 5) })),
      bench: [{ n: 1 << 24, segments: 1000 }],
      bytes: '4*n',
      bound: 'read',
    },
  ),
  sumSquaresRowsF32: kernel(
    'reduce',
    [update('out', 'f64', 'rows'), input('x', 'f32', 'rows*cols'), scalar('cols', 'u32')],
    { cases: rowCases },
  ),
} satisfies Record<string, KernelSpec>;
