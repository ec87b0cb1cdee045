// Systems with known solutions, and float64 fused multiply-adds against exact integer arithmetic.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fusedMulAdd64 } from '../../../src/kernels/reference/muladd.js';
import { backends } from '../../support/backends.js';

const view = new DataView(new ArrayBuffer(8));
/** A finite float64 as an integer multiple of 2^-1074. */
function toUnits(x: number): bigint {
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xfffffffffffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | 0x10000000000000n) << (exponent - 1n);
  return bits >> 63n ? -magnitude : magnitude;
}

/** The float64 nearest to a multiple of 2^-2148, ties to even; the result is normal. */
function fromUnits(exact: bigint): number {
  const magnitude = exact < 0n ? -exact : exact;
  if (magnitude === 0n) return 0;
  const drop = BigInt(magnitude.toString(2).length - 53);
  const kept = magnitude >> drop;
  const rest = magnitude - (kept << drop);
  const half = 1n << (drop - 1n);
  const rounded = rest > half || (rest === half && (kept & 1n) === 1n) ? kept + 1n : kept;
  view.setBigUint64(0, (drop - 2148n + 1023n) << 52n);
  const value = view.getFloat64(0) * Number(rounded);
  return exact < 0n ? -value : value;
}

/** m * 2^e with few bits or all of them, e near 0, so that sums meet ties and cancel. */
const near = fc
  .tuple(fc.integer({ min: -8, max: 8 }), fc.integer({ min: -60, max: 60 }), fc.boolean())
  .map(([ulps, e, minus]) => (minus ? -1 : 1) * (1 + ulps * Number.EPSILON) * 2 ** e);
const any = fc
  .tuple(fc.double({ min: 1, max: 2, noNaN: true }), fc.integer({ min: -80, max: 80 }), fc.boolean())
  .map(([m, e, minus]) => (minus ? -1 : 1) * m * 2 ** e);

describe('fused multiply-add on float64', () => {
  it.each([
    ['any numbers', any, any],
    ['ties', near, near],
    ['cancellation', near, any],
  ])('equals exact integer arithmetic: %s', (_name, factor, term) => {
    fc.assert(
      fc.property(term, factor, factor, (acc, a, b) => {
        const exact = toUnits(a) * toUnits(b) + (toUnits(acc) << 1074n);
        expect(fusedMulAdd64(acc, a, b) + 0).toBe(fromUnits(exact));
        // The sum that cancels all but the rounding of the product.
        const rest = toUnits(a) * toUnits(b) - (toUnits(a * b) << 1074n);
        expect(fusedMulAdd64(-(a * b), a, b) + 0).toBe(fromUnits(rest));
      }),
      { seed: 21, numRuns: 5_000 },
    );
  });

  it('passes infinities and NaN on', () => {
    expect(fusedMulAdd64(1, Number.POSITIVE_INFINITY, 2)).toBe(Number.POSITIVE_INFINITY);
    expect(fusedMulAdd64(Number.NEGATIVE_INFINITY, 1, 2)).toBe(Number.NEGATIVE_INFINITY);
    expect(fusedMulAdd64(0, Number.POSITIVE_INFINITY, 0)).toBeNaN();
    expect(fusedMulAdd64(0, 0, -3)).toBe(0);
  });
});

/** B B^T for the lower triangular B with b[i, j] = 1: min(i, j) + 1, whose factor is all ones. */
const minMatrix = (n: number): Float64Array =>
  Float64Array.from({ length: n * n }, (_, at) => Math.min(Math.floor(at / n), at % n) + 1);

describe.each(backends.map((kernels) => [kernels.backend, kernels] as const))(
  'linalg on %s',
  (_, kernels) => {
    it('factors the matrix min(i, j) + 1 into ones, and leaves the lower triangle alone', () => {
      const n = 150;
      const a = minMatrix(n);
      for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) a[i * n + j] = -7;
      expect(kernels.factorCholeskyF64(a, n, 1e-12)).toBe(n);
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) expect(a[i * n + j]).toBe(j < i ? -7 : 1);
    });

    it('solves for integers exactly where every step is exact', () => {
      const [n, m] = [70, 5];
      const a = minMatrix(n);
      const x = Float32Array.from({ length: n * m }, (_, at) => ((at * 37) % 19) - 9);
      const b = new Float64Array(n * m);
      kernels.addProductF64(b, a, x, n, m, n);
      kernels.factorCholeskyF64(a, n, 1e-12);
      kernels.solveCholeskyF64(b, a, n);
      expect([...b]).toEqual([...x]);
    });

    it('names the first row whose pivot is not above the bound', () => {
      const n = 140;
      const singular = minMatrix(n);
      for (let j = 0; j < n; j++) {
        // Row and column 133 as row 132: the factor's pivot there is 0.
        singular[133 * n + j] = singular[132 * n + j];
        singular[j * n + 133] = singular[j * n + 132];
      }
      singular[133 * n + 133] = singular[132 * n + 132];
      expect(kernels.factorCholeskyF64(singular, n, 1e-12)).toBe(133);
      expect(kernels.factorCholeskyF64(Float64Array.of(Number.NaN), 1, 0)).toBe(0);
      expect(kernels.factorCholeskyF64(Float64Array.of(2, 0, 0, 1), 2, 1)).toBe(1);
    });

    it('adds the products of integers exactly, above the diagonal alone', () => {
      const [rows, width] = [131, 37];
      const x = Float32Array.from({ length: rows * width }, (_, at) => ((at * 31) % 23) - 11);
      const gram = new Float64Array(width * width).fill(0.5);
      kernels.accumulateGramF64(gram, x, width);
      for (let i = 0; i < width; i++)
        for (let j = 0; j < width; j++) {
          let sum = 0.5;
          for (let r = 0; j >= i && r < rows; r++) sum += x[r * width + i] * x[r * width + j];
          expect(gram[i * width + j]).toBe(sum);
        }
    });
  },
);
