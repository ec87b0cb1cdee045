/** gemm: every output element is one chain over k from zero; then alpha, bias, activation, and beta times the old value last. */
import { type Case, input, type KernelSpec, kernel, scalar, update } from '../define.js';

const gemmShapes = [
  [1, 1, 1],
  [1, 5, 3],
  [3, 1, 9],
  [4, 16, 8],
  [5, 17, 33],
  [10, 10, 200],
  [10, 200, 31],
  [33, 47, 10],
  [64, 64, 64],
  [7, 130, 65],
  [3, 0, 4],
  [3, 4, 0],
];

const gemmCases: Case[] = gemmShapes.flatMap(([m, n, k], shape) =>
  [0, 1, 2, 3].map((transposes) => ({
    m,
    n,
    k,
    transA: transposes & 1,
    transB: transposes >> 1,
    alpha: shape % 3 === 1 ? -0.3 : 1,
    beta: [0, 1, 0.999][(shape + transposes) % 3],
    activation: (shape + transposes) % 4,
    with_bias: shape % 2,
  })),
);

export const gemmKernels = {
  gemmF32: kernel(
    'gemm',
    [
      update('c', 'f32', 'm*n'),
      input('a', 'f32', 'm*k'),
      input('b', 'f32', 'k*n'),
      input('bias', 'f32', 'n', { optional: true }),
      scalar('m', 'u32'),
      scalar('n', 'u32'),
      scalar('k', 'u32'),
      scalar('transA', 'u32', 0),
      scalar('transB', 'u32', 0),
      scalar('alpha', 'f32', 1),
      scalar('beta', 'f32', 0),
      scalar('activation', 'u32', 0),
    ],
    {
      equality: 'profile',
      requires: ['activation <= 3'],
      cases: gemmCases,
      specials: 'finite',
      bound: 'compute',
      flops: '2*m*n*k',
      bench: [10, 32, 64].flatMap((batch) =>
        [
          [784, 200],
          [200, 200],
          [512, 512],
        ].flatMap(([inner, outer]) => [
          { m: batch, n: outer, k: inner, transA: 0, transB: 1, beta: 0 },
          { m: batch, n: inner, k: outer, transA: 0, transB: 0, beta: 0 },
          { m: outer, n: inner, k: batch, transA: 1, transB: 0, beta: 1 },
        ]),
      ),
    },
  ),
  /** out[r, i*n + j] += x[r, i] * dy[r, j]: one example's gradient of a dense weight [m, n] a row. */
  outerRowsF32: kernel(
    'gemm',
    [
      update('out', 'f32', 'rows*m*n'),
      input('a', 'f32', 'rows*m'),
      input('b', 'f32', 'rows*n'),
      scalar('m', 'u32'),
      scalar('n', 'u32'),
      scalar('beta', 'f32', 0),
    ],
    {
      cases: [1, 3].flatMap((rows) =>
        [1, 5, 16].flatMap((m) => [1, 7, 33].map((n) => ({ rows, m, n, beta: rows % 2 }))),
      ),
    },
  ),
} satisfies Record<string, KernelSpec>;
