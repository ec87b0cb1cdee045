import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as select from '../../../src/kernels/reference/select.js';

describe('magnitudeThresholdF32', () => {
  it('keeps at least k elements, and fewer than k lie strictly above it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 200 }),
        fc.nat(),
        (values, seed) => {
          const x = Float32Array.from(values);
          const k = 1 + (seed % x.length);
          const threshold = select.magnitudeThresholdF32(x, k);
          expect(x.filter((v) => Math.abs(v) >= threshold).length).toBeGreaterThanOrEqual(k);
          expect(x.filter((v) => Math.abs(v) > threshold).length).toBeLessThan(k);
        },
      ),
    );
  });

  it('has ends: nothing to keep, everything to keep', () => {
    expect(select.magnitudeThresholdF32(Float32Array.of(1, 2), 0)).toBe(Infinity);
    expect(select.magnitudeThresholdF32(Float32Array.of(1, 2), 3)).toBe(0);
    expect(select.magnitudeThresholdF32(Float32Array.of(-2, 1), 2)).toBe(1);
  });
});

describe('gathers', () => {
  it('take blocks by row and column, and scatter them back', () => {
    // 3 x 4 blocks of 2: element (r, c, i) is 100 r + 10 c + i.
    const source = Float32Array.from(
      { length: 24 },
      (_, j) => 100 * Math.floor(j / 8) + 10 * ((j >> 1) % 4) + (j % 2),
    );
    const rows = Uint32Array.of(2, 0);
    const columns = Uint32Array.of(3, 1, 0);
    const sub = new Float32Array(12);
    select.gatherBlocksF32(sub, source, rows, columns, 3, 4, 2);
    expect([...sub]).toEqual([230, 231, 210, 211, 200, 201, 30, 31, 10, 11, 0, 1]);
    const back = new Float32Array(24).fill(-1);
    select.scatterBlocksF32(back, sub, rows, columns, 3, 4, 2);
    back.forEach((v, j) => {
      const held = Math.floor(j / 8) !== 1 && (j >> 1) % 4 !== 2;
      expect(v).toBe(held ? source[j] : -1);
    });
  });

  it('normalise byte rows by channel', () => {
    const src = Uint8Array.of(0, 255, 10, 20, 1, 2, 3, 4);
    const dst = new Float32Array(4);
    const scales = Float32Array.of(1 / 255, 0.5);
    select.gatherRowsU8F32(dst, src, Uint32Array.of(0), scales, Float32Array.of(-0.5, 1), 2, 4, 2);
    expect([...dst]).toEqual([-0.5, 0.5, 6, 11]);
  });

  it('copy rows and labels', () => {
    const dst = new Float32Array(4);
    select.gatherRowsF32(dst, Float32Array.of(1, 2, 3, 4, 5, 6), Uint32Array.of(2, 0), 3, 2);
    expect([...dst]).toEqual([5, 6, 1, 2]);
    const labels = new Int32Array(3);
    select.gatherI32(labels, Int32Array.of(7, -8, 9), Uint32Array.of(2, 2, 1));
    expect([...labels]).toEqual([9, 9, -8]);
  });
});
