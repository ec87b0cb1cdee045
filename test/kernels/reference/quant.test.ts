import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as quant from '../../../src/kernels/reference/quant.js';
import { uniformF32 } from '../../../src/kernels/reference/random.js';
import { golden, randomF32 } from './golden.js';

interface HalfFile {
  cases: { name: string; xBits: number[]; codes: number[]; decoded: (number | string)[] }[];
}
interface Float8File {
  decodeTable: (number | string)[];
  cases: { name: string; xBits: number[]; codesIeee: number[] }[];
}
interface IntFile {
  cases: {
    name: string;
    bits: number;
    symmetric: boolean;
    cols: number;
    x: number[][];
    scale: number[];
    codes: number[][];
    decoded: number[][];
  }[];
}

const formats = [
  { name: 'fp16', encode: quant.encodeF16, decode: quant.decodeF16, mantissa: 10, nan: 0x7c00 },
  { name: 'bf16', encode: quant.encodeBf16, decode: quant.decodeBf16, mantissa: 7, nan: 0x7f80 },
];
const fromBits = (bits: number[]) => new Float32Array(Uint32Array.from(bits).buffer);

for (const { name, encode, decode, mantissa, nan } of formats)
  describe(name, () => {
    for (const { name: title, xBits, codes, decoded } of golden<HalfFile>(`quant/${name}.json`).cases)
      it(`${title}: golden codes and values`, () => {
        const x = fromBits(xBits);
        const out = new Uint16Array(x.length);
        encode(out, x);
        codes.forEach((code, i) => {
          if (Number.isNaN(x[i])) expect(out[i] & 0x7fff).toBeGreaterThan(nan);
          else expect(out[i]).toBe(code);
        });
        const back = new Float32Array(x.length);
        decode(back, Uint16Array.from(codes));
        decoded.forEach((value, i) => {
          expect(back[i]).toBe(Number(value));
        });
      });

    it('all 65,536 codes survive decode and encode, but for the payload of a NaN', () => {
      const codes = Uint16Array.from({ length: 65_536 }, (_, i) => i);
      const x = new Float32Array(65_536);
      decode(x, codes);
      const again = new Uint16Array(65_536);
      encode(again, x);
      codes.forEach((code, i) => {
        if (!Number.isNaN(x[i])) expect(again[i]).toBe(code);
        else expect(again[i] & 0x8000).toBe(code & 0x8000);
      });
    });

    it('the error is at most half a step in the normal range', () => {
      const x = randomF32(4000, 20, 100);
      const codes = new Uint16Array(x.length);
      const back = new Float32Array(x.length);
      encode(codes, x);
      decode(back, codes);
      back.forEach((v, i) => {
        expect(Math.abs(v - x[i])).toBeLessThanOrEqual(2 ** -(mantissa + 1) * Math.abs(x[i]) + 2 ** -25);
      });
    });
  });

it('a NaN becomes sign | 0x7E00 in binary16, whatever its payload', () => {
  const codes = new Uint16Array(3);
  quant.encodeF16(codes, fromBits([0x7f800001, 0xffc12345, 0x7fffffff]));
  expect([...codes]).toEqual([0x7e00, 0xfe00, 0x7e00]);
});

describe('stochastic rounding of 16-bit formats', () => {
  const stochastic = [
    { encode: quant.encodeF16Stochastic, nearest: formats[0], top: 65504 },
    { encode: quant.encodeBf16Stochastic, nearest: formats[1], top: 2 ** 127 * (2 - 2 ** -7) },
  ];
  for (const { encode, nearest, top } of stochastic)
    it(`${nearest.name}: one of the two neighbours, and the mean is the value`, () => {
      const n = 20_000;
      for (const value of [1.0003, -0.7001, 3e-5, -1.1e-7, 1000.3]) {
        const exact = Math.fround(value);
        const codes = new Uint16Array(n);
        encode(codes, new Float32Array(n).fill(value), 1, 2, 0, 0, 3, 4);
        const y = new Float32Array(n);
        nearest.decode(y, codes);
        const [low, high] = [Math.min(...y), Math.max(...y)];
        expect(new Set(codes).size).toBeLessThanOrEqual(2);
        expect(low).toBeLessThanOrEqual(exact);
        expect(high).toBeGreaterThanOrEqual(exact);
        const mean = y.reduce((sum, v) => sum + v, 0) / n;
        // Variance f (1 - f) step^2; 3.89 standard errors: one seed in 10,000 would fail.
        const sigma = Math.sqrt(Math.max((exact - low) * (high - exact), 0) / n);
        expect(Math.abs(mean - exact)).toBeLessThanOrEqual(3.89 * sigma + 1e-12 * Math.abs(exact));
      }
      const codes = new Uint16Array(4);
      encode(codes, Float32Array.of(3.4e38, -3.4e38, Infinity, Number.NaN), 1, 2, 0, 0, 3, 4);
      const y = new Float32Array(4);
      nearest.decode(y, codes);
      expect([...y]).toEqual([top, -top, Infinity, Number.NaN]);
    });
});

describe('int8 by blocks', () => {
  for (const c of golden<IntFile>('quant/int_affine.json').cases.filter((c) => c.symmetric && c.bits === 8))
    it(`${c.name}: golden scales, codes and values`, () => {
      const x = Float32Array.from(c.x.flat());
      const codes = new Int8Array(x.length);
      const scales = new Float32Array(c.scale.length);
      expect(quant.quantizeInt8(codes, scales, x, c.cols)).toBe(-1);
      expect([...scales]).toEqual(c.scale.map(Math.fround));
      expect([...codes]).toEqual(c.codes.flat());
      const back = new Float32Array(x.length);
      quant.dequantizeInt8(back, codes, scales, c.cols);
      c.decoded.flat().forEach((v, i) => {
        expect(Math.abs(back[i] - v)).toBeLessThanOrEqual(1e-6 * scales[Math.floor(i / c.cols)]);
      });
    });

  const finite = fc.array(
    fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 100), max: 2 ** 100 }),
    {
      maxLength: 200,
    },
  );

  it('is within half a scale, keeps zeros, mirrors signs and codes its own output the same', () => {
    fc.assert(
      fc.property(finite, fc.integer({ min: 1, max: 70 }), (values, block) => {
        const x = Float32Array.from(values);
        const blocks = Math.ceil(x.length / block);
        const run = (input: Float32Array) => {
          const codes = new Int8Array(x.length);
          const scales = new Float32Array(blocks);
          expect(quant.quantizeInt8(codes, scales, input, block)).toBe(-1);
          const back = new Float32Array(x.length);
          quant.dequantizeInt8(back, codes, scales, block);
          return { codes, scales, back };
        };
        const { codes, scales, back } = run(x);
        x.forEach((v, i) => {
          const scale = scales[Math.floor(i / block)];
          if (v === 0) expect(codes[i]).toBe(0);
          if (scale > 2 ** -126)
            expect(Math.abs(back[i] - v)).toBeLessThanOrEqual((scale / 2) * (1 + 2 ** -22));
        });
        expect([...run(x.map((v) => -v)).codes]).toEqual([...codes].map((q) => (q === 0 ? 0 : -q)));
        if (scales.every((s) => s === 0 || s > 2 ** -100)) expect([...run(back).codes]).toEqual([...codes]);
      }),
    );
  });

  it('names the first element that is not finite', () => {
    const x = randomF32(300, 21);
    x[270] = -Infinity;
    x[290] = Number.NaN;
    expect(quant.quantizeInt8(new Int8Array(300), new Float32Array(5), x, 64)).toBe(270);
  });

  it('has the squared error of uniform rounding, and the mean of stochastic draws is the value', () => {
    const n = 65_536;
    const x = randomF32(n, 22);
    const codes = new Int8Array(n);
    const scales = new Float32Array(n / 256);
    quant.quantizeInt8(codes, scales, x, 256);
    const acc = new Float64Array(n);
    quant.dequantizeAccumulateInt8(acc, codes, scales, 256, 1);
    const squares = x.reduce((sum, v) => sum + v * v, 0);
    const error = acc.reduce((sum, v, i) => sum + (v - x[i]) ** 2, 0);
    // Uniform on [-1, 1]: scale 1/127, error variance scale^2 / 12 against 1/3.
    expect(error / squares).toBeCloseTo(1 / 127 ** 2 / 12 / (1 / 3), 6);

    const draws = 64;
    acc.fill(0);
    for (let step = 0; step < draws; step++) {
      expect(quant.quantizeInt8Stochastic(codes, scales, x, 256, 1, 2, 0, 0, step, 9)).toBe(-1);
      quant.dequantizeAccumulateInt8(acc, codes, scales, 256, 1 / draws);
    }
    const bias = acc.reduce((sum, v, i) => sum + (v - x[i]) / scales[Math.floor(i / 256)], 0) / n;
    // Mean of n * draws roundings with variance 1/6 each on uniform fractions; 3.89 standard errors.
    expect(Math.abs(bias)).toBeLessThan(3.89 * Math.sqrt(1 / 6 / (n * draws)));
  });

  it('rounds up exactly where the uniform of the element is below the fraction', () => {
    const n = 1000;
    const x = randomF32(n, 23);
    x[0] = 127; // one block with scale 1: values are their own quotients
    const scaled = x.map((v, i) => (i === 0 ? v : v * 100));
    const codes = new Int8Array(n);
    quant.quantizeInt8Stochastic(codes, new Float32Array(1), scaled, n, 5, 6, 7, 0, 8, 9);
    const u = new Float32Array(n);
    uniformF32(u, 5, 6, 7, 0, 8, 9);
    scaled.forEach((v, i) => {
      const floor = Math.floor(v);
      expect(codes[i]).toBe(u[i] < v - floor ? floor + 1 : floor);
    });
  });
});

const eights = [
  { name: 'fp8_e4m3', encode: quant.encodeF8E4m3, decode: quant.decodeF8E4m3 },
  { name: 'fp8_e5m2', encode: quant.encodeF8E5m2, decode: quant.decodeF8E5m2 },
];

for (const { name, encode, decode } of eights)
  describe(name, () => {
    const file = golden<Float8File>(`quant/${name}.json`);
    for (const { name: title, xBits, codesIeee } of file.cases)
      it(`${title}: golden codes`, () => {
        const x = fromBits(xBits);
        const out = new Uint8Array(x.length);
        encode(out, x);
        const values = new Float32Array(x.length);
        decode(values, out);
        codesIeee.forEach((code, i) => {
          // A NaN has several codes.
          if (Number.isNaN(Number(file.decodeTable[code]))) expect(values[i]).toBeNaN();
          else expect(out[i]).toBe(code);
        });
      });

    it('decodes all 256 codes to the golden values and encodes them back', () => {
      const codes = Uint8Array.from({ length: 256 }, (_, code) => code);
      const x = new Float32Array(256);
      decode(x, codes);
      expect([...x]).toEqual(file.decodeTable.map(Number));
      const back = new Uint8Array(256);
      encode(back, x);
      codes.forEach((code) => {
        if (!Number.isNaN(x[code])) expect(back[code]).toBe(code);
      });
    });
  });
