import { describe, expect, it } from 'vitest';
import { expF64, logF64 } from '../../../src/data/partition/elementary.js';
import {
  logDirichletWeights,
  logGammaVariate,
  softmaxOfLogWeights,
} from '../../../src/data/partition/gamma.js';
import { randomKey } from '../../../src/kernels/address.js';

const relative = (got: number, expected: number) => Math.abs(got - expected) / Math.abs(expected);

/** Points over the whole range of float64, dense around 1 where a logarithm loses its digits. */
function positivePoints(): number[] {
  const points: number[] = [];
  for (let e = -1074; e < 1024; e += 1) points.push(1.2345 * 2 ** e, 2 ** e);
  for (let i = 1; i <= 2000; i++) points.push(i / 1000, 1 + i * 1e-9, 1 - i * 1e-12, 1 + i * 2 ** -52);
  return points.filter((x) => x > 0 && x !== 1 && Number.isFinite(x));
}

describe('logF64', () => {
  it('agrees with the platform to 1e-15, relative', () => {
    const worst = Math.max(...positivePoints().map((x) => relative(logF64(x), Math.log(x))));
    expect(worst).toBeLessThan(1e-15);
  });

  it('keeps the special values', () => {
    expect([logF64(1), logF64(0), logF64(Infinity)]).toEqual([0, -Infinity, Infinity]);
    expect([logF64(-1), logF64(Number.NaN)]).toEqual([Number.NaN, Number.NaN]);
  });
});

describe('expF64', () => {
  it('agrees with the platform to 1e-15, relative', () => {
    let worst = 0;
    for (let x = -707.9; x < 709.7; x += 0.0817) worst = Math.max(worst, relative(expF64(x), Math.exp(x)));
    for (let i = -1000; i <= 1000; i++)
      worst = Math.max(worst, relative(expF64(i * 1e-6), Math.exp(i * 1e-6)));
    expect(worst).toBeLessThan(1e-15);
  });

  it('keeps the special values', () => {
    expect([expF64(0), expF64(-Infinity), expF64(Infinity), expF64(710), expF64(-800)]).toEqual([
      1,
      0,
      Infinity,
      Infinity,
      0,
    ]);
    expect(expF64(Number.NaN)).toBeNaN();
  });
});

describe('logGammaVariate', () => {
  const n = 100_000;
  const draws = (shape: number, seed: number) => {
    const key = randomKey(seed, { purpose: 'test' });
    return Float64Array.from({ length: n }, (_, i) => logGammaVariate(shape, key, i, 0));
  };

  // E ln G = digamma(a), Var ln G = trigamma(a); values from Abramowitz and Stegun 6.3 and 6.4 and their recurrences.
  // Five standard errors of the mean: false alarm 6e-7 for each shape.
  it.each([
    [0.01, -100.5608854578687, 10001.6212135283],
    [0.5, -1.9635100260214235, 4.934802200544679],
    [1, -0.5772156649015329, 1.6449340668482264],
    [10, 2.251752589066721, 0.10516633568168575],
  ])('has the mean logarithm of Gamma(%d)', (shape, digamma, trigamma) => {
    const mean = draws(shape, 11).reduce((sum, v) => sum + v, 0) / n;
    expect(Math.abs(mean - digamma)).toBeLessThan(5 * Math.sqrt(trigamma / n));
  });

  // Kolmogorov-Smirnov against the closed distribution functions; D * sqrt(n) > 2.7 has probability 9e-7.
  it.each([
    [1, (x: number) => 1 - Math.exp(-x)],
    [2, (x: number) => 1 - (1 + x) * Math.exp(-x)],
    [3, (x: number) => 1 - (1 + x + (x * x) / 2) * Math.exp(-x)],
  ])('is distributed as Gamma(%d)', (shape, cdf) => {
    const sorted = draws(shape, 12).sort();
    let distance = 0;
    sorted.forEach((v, i) => {
      const p = cdf(Math.exp(v));
      distance = Math.max(distance, Math.abs(p - i / n), Math.abs(p - (i + 1) / n));
    });
    expect(distance * Math.sqrt(n)).toBeLessThan(2.7);
  });

  it('depends on its address alone', () => {
    const key = randomKey(5, { purpose: 'test' });
    expect(logGammaVariate(0.3, key, 4, 2)).toBe(logGammaVariate(0.3, key, 4, 2));
    expect(logGammaVariate(0.3, key, 4, 2)).not.toBe(logGammaVariate(0.3, key, 5, 2));
    expect(logGammaVariate(0.3, key, 4, 2)).not.toBe(logGammaVariate(0.3, key, 4, 3));
  });
});

describe('Dirichlet proportions', () => {
  // q ~ Dir(alpha p): E q_c = p_c, Var q_c = p_c (1 - p_c) / (alpha + 1). Five standard errors each (that of the
  // variance from the sample's fourth moment), 24 comparisons: false alarm under 2e-5.
  it.each([0.1, 1, 10])('has the moments of Dir(%d * p)', (alpha) => {
    const p = [0.1, 0.2, 0.3, 0.4];
    const n = 4000;
    const sum = new Float64Array(4);
    const square = new Float64Array(4);
    const fourth = new Float64Array(4);
    for (let k = 0; k < n; k++) {
      const key = randomKey(21, { purpose: 'test', entity: k });
      const q = softmaxOfLogWeights(
        logDirichletWeights(
          p.map((v) => alpha * v),
          key,
          0,
        ),
      );
      expect(q.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      q.forEach((v, c) => {
        sum[c] += v;
        square[c] += (v - p[c]) ** 2;
        fourth[c] += (v - p[c]) ** 4;
      });
    }
    p.forEach((pc, c) => {
      const variance = (pc * (1 - pc)) / (alpha + 1);
      expect(Math.abs(sum[c] / n - pc)).toBeLessThan(5 * Math.sqrt(variance / n));
      const spread = fourth[c] / n - (square[c] / n) ** 2;
      expect(Math.abs(square[c] / n - variance)).toBeLessThan(5 * Math.sqrt(spread / n));
    });
  });

  it('stays a distribution where every weight would underflow', () => {
    const q = softmaxOfLogWeights(
      logDirichletWeights([1e-6, 1e-6, 0, 1e-6], randomKey(1, { purpose: 'test' }), 0),
    );
    expect(q.reduce((a, b) => a + b, 0)).toBe(1);
    expect(q[2]).toBe(0);
    expect(Math.max(...q)).toBeGreaterThan(0.999);
  });
});
