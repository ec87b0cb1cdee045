import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countCorrectF32,
  logSoftmaxF32,
  softmaxCrossEntropyF32,
  softmaxF32,
} from '../../../src/kernels/reference/loss.js';

/** Softmax and its logarithm of one row in float64. */
function exact(z: Float32Array) {
  const max = Math.max(...z);
  const sum = z.reduce((total, v) => total + Math.exp(v - max), 0);
  return {
    p: Array.from(z, (v) => Math.exp(v - max) / sum),
    logp: Array.from(z, (v) => v - max - Math.log(sum)),
  };
}
const row = fc
  .array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 40 })
  .map((values) => Float32Array.from(values));

describe('softmax losses against float64', () => {
  it('softmax and log-softmax within 6 roundings and that of z - max, which the exponential magnifies', () => {
    fc.assert(
      fc.property(row, (z) => {
        const p = new Float32Array(z.length);
        const logp = new Float32Array(z.length);
        softmaxF32(p, z, z.length);
        logSoftmaxF32(logp, z, z.length);
        const want = exact(z);
        want.p.forEach((v, i) => {
          expect(Math.abs(p[i] - v)).toBeLessThan((6 + Math.abs(want.logp[i])) * 2 ** -24 * v + 1e-38);
        });
        want.logp.forEach((v, i) => {
          expect(Math.abs(logp[i] - v)).toBeLessThan(6 * 2 ** -24 * (1 + Math.abs(v)));
        });
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it('cross-entropy and its gradient, scaled', () => {
    fc.assert(
      fc.property(row, fc.nat(), (z, draw) => {
        const label = draw % z.length;
        const loss = new Float32Array(1);
        const delta = new Float32Array(z.length);
        softmaxCrossEntropyF32(loss, delta, z, Int32Array.of(label), z.length, 0.5);
        const want = exact(z);
        expect(Math.abs(loss[0] + want.logp[label])).toBeLessThan(1e-6 * (1 + Math.abs(want.logp[label])));
        delta.forEach((d, j) => {
          expect(Math.abs(d - 0.5 * (want.p[j] - (j === label ? 1 : 0)))).toBeLessThan(3e-7);
        });
        const again = new Float32Array(1);
        softmaxCrossEntropyF32(again, new Float32Array(0), z, Int32Array.of(label), z.length, 0.5);
        expect(again[0]).toBe(loss[0]);
      }),
      { seed: 8, numRuns: 300 },
    );
  });

  it('does not overflow at large logits and shows NaN', () => {
    const p = new Float32Array(4);
    softmaxF32(p, Float32Array.of(1e30, -1e30, 1e30, 0), 4);
    expect([...p]).toEqual([0.5, 0, 0.5, 0]);
    softmaxF32(p, Float32Array.of(0, Number.NaN, 0, 0), 4);
    expect(p.every(Number.isNaN)).toBe(true);
  });
});

it('counts rows whose first largest logit is the label, and never a row without one', () => {
  const totals = Float64Array.of(1, 10, 100);
  const z = Float32Array.of(1, 3, 3, 5, 4, 4, Number.NaN, Number.NaN, Number.NaN, 0, 0, 9);
  countCorrectF32(totals, Float32Array.of(0.5, 0.25, 1, 2), z, Int32Array.of(1, 1, 0, 2), 3);
  expect([...totals]).toEqual([4.75, 12, 104]);
});
