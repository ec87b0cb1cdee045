import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gemmKernels } from '../../../src/kernels/reference/gemm.js';

const f = Math.fround;
const none = new Float32Array(0);
const small = fc.integer({ min: 1, max: 7 });
const floats = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => f((((i + seed) * 7919) % 257) / 128 - 1));

describe.each(['plain', 'fma'] as const)('gemm, profile %s', (profile) => {
  const { gemmF32, outerRowsF32 } = gemmKernels(profile);

  it('is exact on small integers, with all transpositions, alpha, bias and beta', () => {
    fc.assert(
      fc.property(small, small, small, fc.boolean(), fc.boolean(), (m, n, k, ta, tb) => {
        const a = Float32Array.from({ length: m * k }, (_, i) => (i % 5) - 2);
        const b = Float32Array.from({ length: k * n }, (_, i) => (i % 7) - 3);
        const bias = Float32Array.from({ length: n }, (_, j) => j);
        const c = new Float32Array(m * n).fill(3);
        gemmF32(c, a, b, bias, m, n, k, ta ? 1 : 0, tb ? 1 : 0, 2, 0.5, 1);
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let p = 0; p < k; p++)
              sum += (ta ? a[p * m + i] : a[i * k + p]) * (tb ? b[j * k + p] : b[p * n + j]);
            expect(c[i * n + j]).toBe(Math.max(0, 2 * sum + j) + 1.5);
          }
      }),
      { seed: 3, numRuns: 200 },
    );
  });

  it('stays within the error bound of a float32 chain', () => {
    const [m, n, k] = [5, 6, 300];
    const a = floats(m * k, 1);
    const b = floats(k * n, 50);
    const c = new Float32Array(m * n);
    gemmF32(c, a, b, none, m, n, k, 0, 0, 1, 0, 0);
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        let magnitude = 0;
        for (let p = 0; p < k; p++) {
          sum += a[i * k + p] * b[p * n + j];
          magnitude += Math.abs(a[i * k + p] * b[p * n + j]);
        }
        expect(Math.abs(c[i * n + j] - sum)).toBeLessThanOrEqual((k + 1) * 2 ** -24 * magnitude);
      }
  });

  it('does not read the old value when beta is 0, and adds it last when beta is 1', () => {
    const c = Float32Array.of(Number.NaN);
    gemmF32(c, Float32Array.of(2), Float32Array.of(3), none, 1, 1, 1, 0, 0, 1, 0, 0);
    expect(c[0]).toBe(6);
    // Added first, the large old value would swallow both small products.
    const old = Float32Array.of(2 ** 24);
    gemmF32(old, Float32Array.of(1, 1), Float32Array.of(1, 1), none, 1, 1, 2, 0, 0, 1, 1, 0);
    expect(old[0]).toBe(2 ** 24 + 2);
  });

  it('leaves the activated bias where k is 0', () => {
    const c = new Float32Array(2);
    gemmF32(c, none, none, Float32Array.of(-1, 4), 1, 2, 0, 0, 0, 1, 0, 1);
    expect([...c]).toEqual([0, 4]);
  });

  it('forms outer products row by row', () => {
    const out = new Float32Array(8).fill(1);
    outerRowsF32(out, Float32Array.of(1, 2, 3, 4), Float32Array.of(10, 20, 30, 40), 2, 2, 1);
    expect([...out]).toEqual([11, 21, 21, 41, 91, 121, 121, 161]);
  });
});

it('rounds products in profile plain and not in profile fma', () => {
  const a = Float32Array.of(-1 - 2 ** -11, 1 + 2 ** -12);
  const b = Float32Array.of(1, 1 + 2 ** -12);
  const run = (profile: 'plain' | 'fma') => {
    const c = new Float32Array(1);
    gemmKernels(profile).gemmF32(c, a, b, none, 1, 1, 2, 0, 0, 1, 0, 0);
    return c[0];
  };
  expect(run('plain')).toBe(0);
  expect(run('fma')).toBe(2 ** -24);
});
