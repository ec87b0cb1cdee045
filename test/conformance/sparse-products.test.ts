// Products leave out terms that are exact zeros where there are enough of them, by other ways for other shapes: the bits must
// not show it. The table's operands are dense, so these stand here.

import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../src/kernels/kernels.js';
import { createReference } from '../../src/kernels/reference.js';
import { availableBackends } from '../../src/kernels/select.js';

interface Product {
  m: number;
  n: number;
  k: number;
  transA?: boolean;
  transB?: boolean;
  alpha?: number;
  beta?: number;
  activation?: number;
  bias?: boolean;
}

const backends = await availableBackends();

/** Deterministic numbers in (-0.5, 0.5); a share of them is 0 or, now and then, -0. */
function numbers(length: number, seed: number, zeros = 0): Float32Array {
  let state = seed;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x100000000;
  };
  return Float32Array.from({ length }, () => {
    const draw = next();
    const value = next() - 0.5;
    if (draw >= zeros) return value;
    return draw < 0.1 ? -0 : 0;
  });
}

/** op(b) has whole columns of zeros, as pixels at the edge of images are. */
function withZeroColumns(b: Float32Array, { n, k, transB = false }: Product): Float32Array {
  for (let column = 0; column < n; column++)
    if (column % 16 < 8) for (let p = 0; p < k; p++) b[transB ? column * k + p : p * n + column] = 0;
  return b;
}

function multiply(kernels: Kernels, product: Product, zeros: number): Float32Array {
  const { m, n, k, transA, transB, alpha = 1, beta = 0, activation = 0, bias } = product;
  const a = numbers(m * k, 1, zeros);
  const b = withZeroColumns(numbers(k * n, 2), product);
  const c = numbers(m * n, 3);
  const biases = bias ? numbers(n, 4) : new Float32Array(0);
  kernels.gemmF32(
    c,
    a,
    b,
    biases,
    m,
    n,
    k,
    Number(transA ?? 0),
    Number(transB ?? 0),
    alpha,
    beta,
    activation,
  );
  return c;
}

const products: [string, Product][] = [
  ['a layer forward', { m: 10, n: 43, k: 90, transB: true, activation: 1, bias: true }],
  ['a layer forward, many rows', { m: 150, n: 72, k: 33, transB: true, activation: 2, bias: true }],
  ['long chains', { m: 5, n: 37, k: 2500, transB: true }],
  ['chains longer than the lists take', { m: 5, n: 10, k: 4200, transB: true, bias: true }],
  ['a data gradient in place', { m: 10, n: 76, k: 50 }],
  ['a data gradient from packed columns', { m: 21, n: 45, k: 50 }],
  ['an update of a short batch', { m: 23, n: 100, k: 10, transA: true, beta: 1 }],
  ['an update of a long batch', { m: 23, n: 104, k: 40, transA: true, beta: 1 }],
  ['an update of odd columns', { m: 9, n: 35, k: 40, transA: true, beta: 1 }],
  ['a scaled gradient', { m: 23, n: 104, k: 40, transA: true, alpha: -0.25, beta: 0.5 }],
];

for (const backend of backends)
  describe(`products of rows with zeros, ${backend.backend} ${backend.isa}`, () => {
    it.each(products)('equal the reference: %s', (_name, product) => {
      for (const zeros of [0, 0.5, 0.9, 1]) {
        const want = multiply(createReference(backend.profile), product, zeros);
        expect(multiply(backend, product, zeros)).toEqual(want);
      }
    });
  });
