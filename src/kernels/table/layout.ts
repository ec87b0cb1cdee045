/** layout: broadcasts and sums over batch, channel and space, row scaling. */
import { input, type KernelSpec, kernel, output, scalar, update } from '../define.js';
import { rowCases } from './shared.js';

export const layoutKernels = {
  addBiasF32: kernel(
    'layout',
    [
      update('y', 'f32', 'batch*channels*spatial'),
      input('bias', 'f32', 'channels'),
      scalar('batch', 'u32'),
      scalar('channels', 'u32'),
      scalar('spatial', 'u32'),
    ],
    {
      cases: [
        [1, 1, 1],
        [10, 17, 1],
        [3, 5, 49],
        [2, 32, 16],
      ].map(([batch, channels, spatial]) => ({ batch, channels, spatial })),
    },
  ),
  /** db[c] = alpha * chain over (image, position) of dy, then + beta * old db. */
  sumChannelsF32: kernel(
    'layout',
    [
      update('db', 'f32', 'channels'),
      input('dy', 'f32', 'batch*channels*spatial'),
      scalar('batch', 'u32'),
      scalar('channels', 'u32'),
      scalar('spatial', 'u32'),
      scalar('alpha', 'f32', 1),
      scalar('beta', 'f32', 0),
    ],
    {
      cases: [
        [1, 1, 1],
        [10, 17, 1],
        [3, 5, 49],
        [2, 32, 16],
      ].map(([batch, channels, spatial], i) => ({ batch, channels, spatial, beta: i % 2 })),
    },
  ),
  /** out[b, c] = beta * out[b, c] + chain over positions of dy[b, c]: one example's bias gradient a row. */
  sumSpatialRowsF32: kernel(
    'layout',
    [
      update('out', 'f32', 'rows'),
      input('dy', 'f32', 'rows*spatial'),
      scalar('spatial', 'u32'),
      scalar('beta', 'f32', 0),
    ],
    {
      cases: [
        [1, 1],
        [10, 1],
        [15, 49],
        [64, 16],
      ].map(([rows, spatial], i) => ({ rows, spatial, beta: i % 2 })),
    },
  ),
  scaleRowsF32: kernel(
    'layout',
    [update('x', 'f32', 'rows*cols'), input('factors', 'f32', 'rows'), scalar('cols', 'u32')],
    { cases: rowCases },
  ),
  /** dst[j] = beta * dst[j] + chain over rows of factors[r] * x[r, j]. */
  weightedSumRowsF32: kernel(
    'layout',
    [
      update('dst', 'f32', 'cols'),
      input('x', 'f32', 'rows*cols'),
      input('factors', 'f32', 'rows'),
      scalar('rows', 'u32'),
      scalar('beta', 'f32', 0),
    ],
    { cases: rowCases.map((c, i) => ({ ...c, beta: i % 2 })) },
  ),
  transposeF32: kernel(
    'layout',
    [
      output('dst', 'f32', 'rows*cols'),
      input('src', 'f32', 'rows*cols'),
      scalar('rows', 'u32'),
      scalar('cols', 'u32'),
    ],
    { cases: rowCases },
  ),
  /** norms2[r] += (sum of a[r]^2) * (sum of b[r]^2 [+ 1 where a bias hangs on b]): ghost norm of a dense layer. */
  ghostNormRowsF32: kernel(
    'layout',
    [
      update('norms2', 'f64', 'rows'),
      input('a', 'f32', 'rows*aCols'),
      input('b', 'f32', 'rows*bCols'),
      scalar('aCols', 'u32'),
      scalar('bCols', 'u32'),
      scalar('withBias', 'u32', 1),
    ],
    {
      cases: [1, 3, 10].flatMap((rows) =>
        [1, 16, 100].map((aCols) => ({ rows, aCols, bCols: 17, withBias: rows % 2 })),
      ),
    },
  ),
  /** factors[r] = norms2[r] <= C^2 ? 1 : C / sqrt(norms2[r]), rounded so that no clipped row exceeds C; times scale. */
  clipFactorsF32: kernel(
    'layout',
    [
      output('factors', 'f32', 'rows'),
      input('norms2', 'f64', 'rows', { values: 'positive' }),
      scalar('maxNorm', 'f64', 1),
      scalar('scale', 'f32', 1),
    ],
    { cases: [0, 1, 10, 33].map((rows) => ({ rows })) },
  ),
  multiplyAddF32: kernel('layout', [
    update('y', 'f32'),
    input('a', 'f32'),
    input('b', 'f32'),
    scalar('scale', 'f32', 0.5),
  ]),
  squareF32: kernel('layout', [output('y', 'f32'), input('x', 'f32')]),
} satisfies Record<string, KernelSpec>;
