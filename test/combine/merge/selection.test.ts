// Counting selection, sparsifiers and ranks against a plain sort.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { breadcrumbsCounts } from '../../../src/combine/merge/breadcrumbs.js';
import { rowsOf } from '../../../src/combine/merge/della.js';
import { magnitudeBand, remembered } from '../../../src/combine/merge/sparsifiers.js';
import { currentKernels } from '../../../src/kernels/current.js';
import { availableBackends } from '../../../src/kernels/select.js';
import { backends } from '../../support/backends.js';
import { randomTensor } from './fixtures.js';

const kernels = currentKernels();
/** Every instruction set of native that runs here, the default one apart. */
const levels = (await availableBackends()).filter(({ backend }) => backend === 'native');
const none = (): void => {};

/** Indices by magnitude, largest first, equal ones by index. */
const sorted = (d: Float32Array): number[] =>
  Array.from(d, (_, i) => i).sort((a, b) => Math.abs(d[b]) - Math.abs(d[a]) || a - b);

function band(
  x: Float32Array,
  base: Float32Array,
  count: number,
  skipped: number,
  cut: number,
  on = kernels,
): Float32Array {
  const sparsifier = magnitudeBand(on, count, skipped, none);
  const parts: [number, number][] =
    cut > 0 && cut < x.length
      ? [
          [0, cut],
          [cut, x.length],
        ]
      : [[0, x.length]];
  for (const pass of sparsifier.passes) {
    for (const [begin, end] of parts) pass.accept(x.subarray(begin, end), base.subarray(begin, end), begin);
    pass.end();
  }
  const out = new Float32Array(x.length);
  // Twice: offset 0 starts anew.
  for (let run = 0; run < 2; run++)
    for (const [begin, end] of parts)
      sparsifier.apply(out.subarray(begin, end), x.subarray(begin, end), base.subarray(begin, end), begin);
  return out;
}

describe('magnitudeBand', () => {
  it('keeps what a sort with ties by index keeps', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom(0, 1, -1, 0.5, -0.5, 3e-39),
            fc.float({ noNaN: true, noDefaultInfinity: true }),
          ),
          {
            minLength: 2,
            maxLength: 60,
          },
        ),
        fc.nat(),
        fc.nat(),
        fc.nat(60),
        (values, a, b, cut) => {
          const x = Float32Array.from(values);
          const count = 1 + (a % x.length);
          const skipped = b % (x.length - count + 1);
          const want = new Float32Array(x.length);
          for (const i of sorted(x).slice(skipped, skipped + count)) want[i] = x[i];
          const got = band(x, new Float32Array(x.length), count, skipped, cut);
          expect(Array.from(got, (v) => v + 0)).toEqual(Array.from(want, (v) => v + 0));
        },
      ),
      { numRuns: 300, seed: 11 },
    );
  });

  for (const on of [...backends, ...levels])
    it(`does so among values of few bits, most of them ties, on ${on.backend} ${on.isa}`, () => {
      const x = randomTensor(997, 12).map((v) => Math.round(v * 2) / 2);
      for (const [count, skipped] of [
        [1, 0],
        [500, 0],
        [501, 37],
        [20, 700],
        [996, 1],
      ]) {
        const want = new Float32Array(x.length);
        for (const i of sorted(x).slice(skipped, skipped + count)) want[i] = x[i];
        const got = band(x, new Float32Array(x.length), count, skipped, 333, on);
        expect(Array.from(got, (v) => v + 0)).toEqual(Array.from(want, (v) => v + 0));
      }
    });

  it('does so for tensors of several blocks', () => {
    const x = randomTensor(150_001, 4).map((v) => Math.fround(Math.round(v * 1000) / 1000));
    const base = randomTensor(150_001, 5, 0.001);
    const d = x.map((v, i) => v - base[i]);
    const want = new Float32Array(x.length);
    for (const i of sorted(d).slice(1500, 1500 + 30_000)) want[i] = d[i];
    expect(band(x, base, 30_000, 1500, 70_000)).toEqual(want);
  });
});

describe('breadcrumbsCounts', () => {
  it('cuts the outliers where both ends do not fit', () => {
    expect(breadcrumbsCounts(1000, 0.9, 0.01)).toEqual({ kept: 900, dropped: 10 });
    expect(breadcrumbsCounts(100, 0.95, 0.2)).toEqual({ kept: 95, dropped: 5 });
    expect(breadcrumbsCounts(50, 0.5, 0.01)).toEqual({ kept: 25, dropped: 0 });
  });
});

describe('dropRankedDeltasF32', () => {
  for (const kernels of backends)
    it(`keeps what a stable sort of magnitudes ranks above a bound, on ${kernels.backend}`, () => {
      const [rows, length] = [3, 333];
      // A bell curve; values with many ties; outliers beside which all else is alike.
      const shapes = [1, 20, 1e-3].map((scale, row) =>
        randomTensor(length, 6 + row).map((v) => (scale === 20 ? Math.round(v * scale) : v * scale)),
      );
      shapes[2][7] = -1e6;
      const x = Float32Array.from(shapes.flatMap((row) => [...row]));
      const out = new Float32Array(x.length);
      for (const bound of [0, 1, 17, 200, 332]) {
        // The threshold goes from 0 to all words between the ranks bound - 1 and bound: no chance is left.
        kernels.dropRankedDeltasF32(
          out,
          new Uint32Array(4 * length),
          x,
          new Float32Array(0),
          length,
          1,
          1 - bound,
          1,
          0,
          2,
          1,
          2,
          3,
          0,
          0,
          5,
        );
        for (let row = 0; row < rows; row++) {
          const d = x.subarray(row * length, (row + 1) * length);
          const order = Array.from(d.keys()).sort((a, b) => Math.abs(d[a]) - Math.abs(d[b]) || a - b);
          const want = new Float32Array(length);
          for (const i of order.slice(bound)) want[i] = d[i];
          expect(out.subarray(row * length, (row + 1) * length)).toEqual(want);
        }
      }
    });
});

describe('rowsOf', () => {
  it('flattens trailing axes, but not in strict mode', () => {
    expect(rowsOf([6], 6, false)).toEqual({ length: 6, stride: 1, group: 6 });
    expect(rowsOf([], 1, false)).toEqual({ length: 1, stride: 1, group: 1 });
    expect(rowsOf([2, 3], 6, true)).toEqual({ length: 3, stride: 1, group: 3 });
    expect(rowsOf([2, 3, 4], 24, false)).toEqual({ length: 12, stride: 1, group: 12 });
    expect(rowsOf([2, 3, 4], 24, true)).toEqual({ length: 3, stride: 4, group: 12 });
  });
});

describe('remembered', () => {
  for (const kernels of backends)
    it(`gives the same at every sweep, and asks the sparsifier for the first alone, on ${kernels.backend}`, () => {
      const [rows, length] = [5, 24];
      const size = rows * length;
      const x = randomTensor(size, 9);
      const base = randomTensor(size, 10);
      x[5] = base[5];
      let calls = 0;
      const first = {
        passes: [],
        alignment: length,
        apply(dst: Float32Array, a: Float32Array, b: Float32Array, offset: number): void {
          calls++;
          a.forEach((v, i) => {
            dst[i] = (offset + i) % 3 === 0 ? 0 : v - b[i];
          });
        },
      };
      const memory = remembered(kernels, size, first);
      const sweep = (step: number): Float32Array => {
        const out = new Float32Array(size);
        for (let at = 0; at < size; at += step)
          memory.apply(
            out.subarray(at, at + step),
            x.subarray(at, at + step),
            base.subarray(at, at + step),
            at,
          );
        return out;
      };
      const once = sweep(2 * length);
      expect(once).toEqual(x.map((v, i) => (i % 3 === 0 ? 0 : v - base[i])));
      expect(calls).toBe(3);
      expect(sweep(length)).toEqual(once);
      expect(sweep(size)).toEqual(once);
      expect(calls).toBe(3);
    });
});
