import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadBackend } from '../../../src/kernels/select.js';
import { createCodec, UnsupportedDtypeError } from '../../../src/tensor/safetensors/codecs.js';
import { dtypeBits, type TensorDtype, tensorDtypes } from '../../../src/tensor/safetensors/dtype.js';

const backends = await Promise.all(
  (['native', 'wasm', 'reference'] as const).map((backend) => loadBackend({ backend })),
);
const [kernels] = backends;

function narrow(dtype: TensorDtype, values: number[]): Uint8Array {
  const codec = createCodec(kernels, dtype);
  const bytes = new Uint8Array(values.length * codec.width);
  codec.narrow(bytes, Float32Array.from(values));
  return bytes;
}

function widen(dtype: TensorDtype, bytes: Uint8Array): number[] {
  const codec = createCodec(kernels, dtype);
  const values = new Float32Array(bytes.length / codec.width);
  codec.widen(values, bytes);
  return [...values];
}

describe('stored values', () => {
  it('are the same bits on every back end, at any alignment', () => {
    const random = fc.uint8Array({ minLength: 512, maxLength: 512 });
    fc.assert(
      fc.property(fc.constantFrom(...tensorDtypes), random, (dtype, raw) => {
        const width = dtypeBits[dtype] / 8;
        const results = backends.map((backend) => {
          const codec = createCodec(backend, dtype);
          const values = new Float32Array(512 / width);
          codec.widen(values, raw);
          const odd = new Uint8Array(513).subarray(1);
          odd.set(raw);
          const again = new Float32Array(512 / width);
          codec.widen(again, odd);
          expect(again).toEqual(values);
          const even = new Uint8Array(512);
          codec.narrow(even, values);
          codec.narrow(odd, values);
          expect(odd).toEqual(even);
          return { values, even };
        });
        for (const result of results) expect(result).toEqual(results[0]);
      }),
      { seed: 3, numRuns: 150 },
    );
  });

  it('go to float32 and back unchanged where float32 holds them', () => {
    const exact = tensorDtypes.filter((dtype) => !['F64', 'I64', 'I32', 'BOOL'].includes(dtype));
    const random = fc.uint8Array({ minLength: 256, maxLength: 256 });
    fc.assert(
      fc.property(fc.constantFrom(...exact), random, (dtype, raw) => {
        const values = widen(dtype, raw);
        const back = narrow(dtype, values);
        const width = dtypeBits[dtype] / 8;
        // The payload of a NaN is no value.
        values.forEach((value, i) => {
          if (!Number.isNaN(value))
            expect([...back.subarray(i * width, (i + 1) * width)]).toEqual([
              ...raw.subarray(i * width, (i + 1) * width),
            ]);
        });
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  it('of 64 bits are rounded to float32 once', () => {
    // 2^60 + 2^36 is the middle of two floats and goes to the even one, 2^60; one more is above it, which float64 cannot hold.
    const middle = 2n ** 60n + 2n ** 36n;
    const integers = [middle, middle + 1n, -middle - 1n, 2n ** 63n - 1n, -(2n ** 63n), 16777217n, -3n];
    const bytes = new Uint8Array(new BigInt64Array(integers).buffer);
    const up = 2 ** 60 + 2 ** 37;
    expect(widen('I64', bytes)).toEqual([2 ** 60, up, -up, 2 ** 63, -(2 ** 63), 16777216, -3]);
    const doubles = new Uint8Array(Float64Array.of(1 + 2 ** -24, 1 + 2 ** -24 + 2 ** -50, 1e300, -0).buffer);
    expect(widen('F64', doubles)).toEqual([1, Math.fround(1 + 2 ** -23), Number.POSITIVE_INFINITY, -0]);
  });

  it('of 64-bit integers go both ways as exact arithmetic says', () => {
    const integers = fc.array(fc.bigInt({ min: -(2n ** 53n), max: 2n ** 53n }), { minLength: 1 });
    const floats = fc.array(fc.float({ noNaN: true, min: -(2 ** 62), max: 2 ** 62 }), { minLength: 1 });
    fc.assert(
      fc.property(integers, floats, (whole, values) => {
        const bytes = new Uint8Array(BigInt64Array.from(whole).buffer);
        expect(widen('I64', bytes)).toEqual(whole.map((v) => Math.fround(Number(v))));
        const back = new BigInt64Array(narrow('I64', values).buffer);
        expect([...back]).toEqual(values.map((v) => BigInt(Math.trunc(v))));
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  it('become integers by truncation within their range', () => {
    const values = [2.9, -2.9, 300, -300, Number.NaN, Number.POSITIVE_INFINITY, -0.5];
    expect([...new Int8Array(narrow('I8', values).buffer)]).toEqual([2, -2, 127, -128, 0, 127, 0]);
    expect([...narrow('U8', values)]).toEqual([2, 0, 255, 0, 0, 255, 0]);
    expect([...new Int16Array(narrow('I16', [1e6, -1e6, 7.5]).buffer)]).toEqual([32767, -32768, 7]);
    expect([...new Int32Array(narrow('I32', [1e12, -1e12, 7.5]).buffer)]).toEqual([
      2147483647, -2147483648, 7,
    ]);
    expect([...new BigInt64Array(narrow('I64', [1e30, -1e30, -7.5, Number.NaN]).buffer)]).toEqual([
      2n ** 63n - 1n,
      -(2n ** 63n),
      -7n,
      0n,
    ]);
    expect([...narrow('BOOL', [0, -0, 0.1, Number.NaN])]).toEqual([0, 0, 1, 1]);
    expect(widen('BOOL', Uint8Array.of(0, 1, 255))).toEqual([0, 1, 1]);
  });

  it('of other types are refused by name', () => {
    expect(() => createCodec(kernels, 'U16', 'w.0')).toThrow(UnsupportedDtypeError);
    expect(() => createCodec(kernels, 'F4', 'w.0')).toThrow(/w\.0.*F4/);
    expect(() => createCodec(kernels, 'F32').widen(new Float32Array(2), new Uint8Array(7))).toThrow(
      /8 bytes/,
    );
  });
});
