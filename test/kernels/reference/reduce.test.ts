import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as reduce from '../../../src/kernels/reference/reduce.js';
import { randomF32 } from './golden.js';

/** Sum without rounding error that matters: Neumaier's compensated sum. */
function compensatedSum(n: number, term: (i: number) => number): number {
  let sum = 0;
  let lost = 0;
  for (let i = 0; i < n; i++) {
    const t = term(i);
    const next = sum + t;
    lost += Math.abs(sum) >= Math.abs(t) ? sum - next + t : t - next + sum;
    sum = next;
  }
  return sum + lost;
}

describe('sums', () => {
  for (const n of [0, 1, 15, 16, 17, 4099, 65_535, 65_536, 65_537, 200_003])
    it(`of ${n} terms agree with a compensated sum to 1e-12 of the sum of magnitudes`, () => {
      const a = randomF32(n, 3);
      const b = randomF32(n, 4);
      const magnitude = compensatedSum(n, (i) => Math.abs(a[i] * b[i]));
      expect(Math.abs(reduce.dotF32(a, b) - compensatedSum(n, (i) => a[i] * b[i]))).toBeLessThanOrEqual(
        1e-12 * magnitude,
      );
      const squares = compensatedSum(n, (i) => a[i] * a[i]);
      expect(Math.abs(reduce.sumSquaresF32(a) - squares)).toBeLessThanOrEqual(1e-12 * squares);
    });

  it('follow the 16 lanes: cancelling within a lane is exact, across lanes it is not', () => {
    const big = 2 ** 60;
    const x = new Float32Array(33);
    const ones = new Float32Array(33).fill(1);
    x[0] = big;
    x[16] = -big; // the same lane
    x[1] = 1;
    expect(reduce.dotF32(x, ones)).toBe(1);
    x[16] = 0;
    x[8] = -big; // lane 8 joins lane 0 in the first halving: still exact
    expect(reduce.dotF32(x, ones)).toBe(1);
    x[8] = 0;
    x[15] = -big; // lane 15 meets lane 1 before it meets lane 0, and swallows it
    expect(reduce.dotF32(x, ones)).toBe(0);
  });

  it('keep blocks of 65,536 apart', () => {
    const x = new Float32Array(65_537);
    const ones = new Float32Array(x.length).fill(1);
    x[0] = 2 ** 60;
    x[1] = 1;
    x[65_536] = -(2 ** 60); // lane 0 too, but the 1 has gone into the block's result by then
    expect(reduce.dotF32(x, ones)).toBe(0);
  });

  it('one pass for a cosine equals three sums, and segments equal sums of pieces', () => {
    const a = randomF32(3001, 5);
    const b = randomF32(3001, 6);
    const out = new Float64Array(3);
    reduce.dotAndNormsF32(out, a, b);
    expect([...out]).toEqual([reduce.dotF32(a, b), reduce.sumSquaresF32(a), reduce.sumSquaresF32(b)]);
    const ones = new Float32Array(3001).fill(1);
    const segments = new Float64Array(4);
    reduce.sumSegmentsF32(segments, a, Uint32Array.of(0, 7, 7, 1000, 3001));
    expect([...segments]).toEqual(
      [
        [0, 7],
        [7, 7],
        [7, 1000],
        [1000, 3001],
      ].map(([from, to]) => reduce.dotF32(a.subarray(from, to), ones.subarray(from, to))),
    );
    const rows = Float64Array.of(10, 20, 30);
    reduce.sumSquaresRowsF32(rows, Float32Array.of(1, 2, 3, 4, 5, 6), 2);
    expect([...rows]).toEqual([15, 45, 91]);
  });
});

describe('selections', () => {
  it('the largest magnitude is that of Math.max without NaNs', () => {
    fc.assert(
      fc.property(fc.array(fc.float()), (values) => {
        const x = Float32Array.from(values);
        const expected = Math.max(0, ...values.filter((v) => !Number.isNaN(v)).map(Math.abs));
        expect(reduce.maxAbsF32(x)).toBe(expected);
        expect(reduce.allFiniteF32(x)).toBe(values.every(Number.isFinite) ? 1 : 0);
      }),
    );
  });
});
