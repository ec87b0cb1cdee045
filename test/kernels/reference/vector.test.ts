import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as vector from '../../../src/kernels/reference/vector.js';
import { randomF32 } from './golden.js';

const n = 1000;
const a = randomF32(n, 1);
const b = randomF32(n, 2, 3);

describe('vector kernels', () => {
  it('stay within the rounding of their operations of the float64 formula', () => {
    const half = 2 ** -24;
    const dst = new Float32Array(n);
    vector.addF32(dst, a, b);
    dst.forEach((v, i) => {
      expect(Math.abs(v - (a[i] + b[i]))).toBeLessThanOrEqual(half * Math.abs(a[i] + b[i]));
    });
    vector.subtractF32(dst, a, b);
    dst.forEach((v, i) => {
      expect(Math.abs(v - (a[i] - b[i]))).toBeLessThanOrEqual(half * Math.abs(a[i] - b[i]));
    });
    vector.multiplyF32(dst, a, b);
    dst.forEach((v, i) => {
      expect(Math.abs(v - a[i] * b[i])).toBeLessThanOrEqual(half * Math.abs(a[i] * b[i]));
    });
    vector.lerpF32(dst, a, b, 0.25);
    dst.forEach((v, i) => {
      const exact = a[i] + 0.25 * (b[i] - a[i]);
      expect(Math.abs(v - exact)).toBeLessThanOrEqual(2 * half * (Math.abs(a[i]) + Math.abs(b[i])));
    });
    const y = b.slice();
    vector.axpyF32(y, a, -0.3);
    y.forEach((v, i) => {
      const exact = b[i] + Math.fround(-0.3) * a[i];
      expect(Math.abs(v - exact)).toBeLessThanOrEqual(half * (Math.abs(exact) + Math.abs(0.3 * a[i])));
    });
  });

  it('round the product of axpy before the sum', () => {
    // 1 + 2^-12 squared is 1 + 2^-11 + 2^-24: the last term is lost in the product, a fused step would keep it.
    const x = Float32Array.of(1 + 2 ** -12);
    const y = Float32Array.of(-(1 + 2 ** -11));
    vector.axpyF32(y, x, 1 + 2 ** -12);
    expect(y[0]).toBe(0);
  });

  it('lerp gives a at t = 0', () => {
    const dst = new Float32Array(n);
    vector.lerpF32(dst, a, b, 0);
    expect(dst).toEqual(a);
  });

  it('a mask keeps values or writes +0, also over a NaN and -0', () => {
    const x = Float32Array.of(1.5, Number.NaN, -0, Infinity);
    vector.applyMaskF32(x, Uint8Array.of(1, 0, 0, 255));
    expect([...x]).toEqual([1.5, 0, 0, Infinity]);
  });

  it('addition and its negation undo each other where sums are exact', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -(2 ** 20), max: 2 ** 20 })), (values) => {
        const x = Float32Array.from(values);
        const sum = new Float32Array(x.length);
        vector.addF32(sum, x, x);
        vector.axpyF32(sum, x, -2);
        expect(sum.every((v) => v === 0)).toBe(true);
      }),
    );
  });

  it('fill, copy, scale and the float64 forms', () => {
    const x = new Float32Array(3);
    vector.fillF32(x, 0.1);
    expect([...x]).toEqual(Array(3).fill(Math.fround(0.1)));
    vector.scaleF32(x, 2);
    expect(x[2]).toBe(Math.fround(0.1) * 2);
    const copy = new Float32Array(3);
    vector.copyF32(copy, x);
    expect(copy).toEqual(x);
    const d = new Float64Array(2);
    vector.fillF64(d, 0.1);
    vector.addF64(d, Float64Array.of(0.2, -0.1));
    expect([...d]).toEqual([0.1 + 0.2, 0]);
    const e = new Float64Array(2);
    vector.copyF64(e, d);
    expect(e).toEqual(d);
  });
});
