// Against the platform's functions, which are accurate to a unit or so.
import { describe, expect, it } from 'vitest';
import { arcCosine, sinCos } from '../../../src/combine/merge/angles.js';

describe('sinCos', () => {
  it('is within 4e-16 of the platform', () => {
    for (let x = -20; x <= 20; x += 0.0137) {
      const [sine, cosine] = sinCos(x);
      expect(Math.abs(sine - Math.sin(x))).toBeLessThan(4e-16);
      expect(Math.abs(cosine - Math.cos(x))).toBeLessThan(4e-16);
    }
  });
  it('keeps the relative accuracy of small sines', () => {
    for (const x of [1e-8, 1e-4, 0.01]) expect(Math.abs(sinCos(x)[0] / Math.sin(x) - 1)).toBeLessThan(4e-16);
  });
});

describe('arcCosine', () => {
  it('is within 1e-15 of the platform, and exact at the ends', () => {
    for (let c = -1; c <= 1; c += 0.00071) expect(Math.abs(arcCosine(c) - Math.acos(c))).toBeLessThan(1e-15);
    expect(arcCosine(1)).toBe(0);
    expect(arcCosine(1.5)).toBe(0);
    expect(arcCosine(-1)).toBe(Math.PI);
    expect(arcCosine(0)).toBe(Math.PI / 2);
  });
});
