/** linalg: symmetric positive definite systems in float64, for the least squares of merging. Matrices are row-major; of symmetric ones the upper triangle counts. */
import { type Case, input, type KernelSpec, kernel, scalar, update } from '../define.js';

const n = scalar('n', 'u32');
const sizes = [1, 2, 3, 7, 8, 9, 17, 24, 33, 127, 128, 129, 150];
const factorable: Case[] = sizes.map((size) => ({ n: size }));

export const linalgKernels = {
  accumulateGramF64: kernel(
    'linalg',
    [update('gram', 'f64', 'width*width'), input('x', 'f32', 'rows*width'), scalar('width', 'u32')],
    {
      cases: [
        [0, 3],
        [1, 1],
        [3, 5],
        [10, 8],
        [7, 17],
        [130, 24],
        [5, 33],
        [33, 131],
        [200, 150],
      ].map(([rows, width]) => ({ rows, width })),
      bench: [{ rows: 256, width: 512 }],
      flops: 'rows*width*width',
      bound: 'compute',
    },
  ),
  addProductF64: kernel(
    'linalg',
    [
      update('c', 'f64', 'm*n'),
      input('a', 'f64', 'm*k'),
      input('b', 'f32', 'k*n'),
      scalar('m', 'u32'),
      n,
      scalar('k', 'u32'),
    ],
    {
      equality: 'profile',
      specials: 'none',
      cases: [
        [1, 1, 1],
        [3, 5, 0],
        [2, 9, 7],
        [9, 24, 33],
        [17, 25, 128],
        [130, 7, 129],
        [40, 51, 260],
      ].map(([m, columns, k]) => ({ m, n: columns, k })),
      bench: [{ m: 512, n: 512, k: 512 }],
      flops: '2*m*n*k',
      bound: 'compute',
    },
  ),
  factorCholeskyF64: kernel(
    'linalg',
    [update('a', 'f64', 'n*n', { values: 'definite' }), n, scalar('leastPivot', 'f64', 1e-9)],
    { returns: 'u32', equality: 'profile', specials: 'none', cases: factorable, bench: [{ n: 512 }] },
  ),
  solveCholeskyF64: kernel(
    'linalg',
    [update('x', 'f64', 'n*m'), input('factor', 'f64', 'n*n', { values: 'definite' }), n],
    {
      equality: 'profile',
      specials: 'none',
      cases: sizes.flatMap((size) => [1, 5, 24, 31].map((m) => ({ n: size, m }))),
      bench: [{ n: 512, m: 512 }],
      flops: '2*n*n*m',
      bound: 'compute',
    },
  ),
} satisfies Record<string, KernelSpec>;
