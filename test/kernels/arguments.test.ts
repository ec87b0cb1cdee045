// What a kernel refuses, on every back end: the wrong kind, the wrong length, and whatever would lead it out of its operands.
import { describe, expect, it } from 'vitest';
import { HeddleError } from '../../src/errors.js';
import { createReference } from '../../src/kernels/reference.js';
import { backends } from '../support/backends.js';

const f32 = (n: number, value = 1) => new Float32Array(n).fill(value);
const none = new Float32Array(0);

/** The code of the error that `call` throws. */
function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof HeddleError && error.hint.length > 0) return error.code;
    return `not typed: ${String(error)}`;
  }
  return 'nothing thrown';
}

describe.each(backends)('arguments on $backend', (k) => {
  // What a caller of plain JavaScript can do.
  const loose = k as unknown as Record<string, (...args: unknown[]) => unknown>;

  it.each([
    ['an ordinary array', [1, 2]],
    ['another type of array', new Float64Array(2)],
    ['a view of bytes', new DataView(new ArrayBuffer(8))],
    ['nothing', undefined],
    ['null', null],
    ['an object without a class', Object.create(null)],
  ])('have to be of the declared type, not %s', (_, value) => {
    expect(codeOf(() => loose.sumSquaresF32(value))).toBe('ERR_DTYPE');
  });

  it('have to be as many as declared', () => {
    expect(codeOf(() => loose.fillF32(f32(2)))).toBe('ERR_INVALID_ARGUMENT');
    expect(codeOf(() => loose.fillF32(f32(2), 1, 1))).toBe('ERR_INVALID_ARGUMENT');
  });

  it('have to be numbers in the range of their type', () => {
    expect(codeOf(() => loose.fillF32(f32(2), '1'))).toBe('ERR_INVALID_ARGUMENT');
    for (const count of [-1, 1.5, 2 ** 32, NaN, Infinity])
      expect(codeOf(() => k.magnitudeThresholdF32(f32(2), count))).toBe('ERR_INVALID_ARGUMENT');
  });

  it('have to agree in length', () => {
    expect(codeOf(() => k.addF32(f32(3), f32(3), f32(2)))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(() => k.scaleRowsF32(f32(7), f32(2), 3))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(() => k.weightedSumF32(f32(2), [f32(2), f32(3)], new Float64Array(2)))).toBe(
      'ERR_SHAPE_MISMATCH',
    );
    expect(codeOf(() => k.weightedSumF32(f32(2), [f32(2)], new Float64Array(2)))).toBe('ERR_SHAPE_MISMATCH');
  });

  it('are lists of 1 to 256 vectors', () => {
    expect(codeOf(() => k.weightedSumF32(f32(2), [], new Float64Array(0)))).toBe('ERR_INVALID_ARGUMENT');
    const many = Array.from({ length: 257 }, () => f32(2));
    expect(codeOf(() => k.weightedSumF32(f32(2), many, new Float64Array(257)))).toBe('ERR_INVALID_ARGUMENT');
  });

  it('do not point outside what they index', () => {
    const index = Uint32Array.of(0, 2);
    expect(codeOf(() => k.gatherRowsF32(f32(4), f32(4), index, 2, 2))).toBe('ERR_INDEX_RANGE');
    expect(codeOf(() => k.maxPoolGradF32(f32(2), f32(2), index))).toBe('ERR_INDEX_RANGE');
    for (const label of [-1, 3])
      expect(codeOf(() => k.softmaxCrossEntropyF32(f32(1), f32(3), f32(3), Int32Array.of(label), 3, 1))).toBe(
        'ERR_INDEX_RANGE',
      );
  });

  it.each([
    ['go backwards', [0, 3, 2, 4]],
    ['end behind the values', [0, 1, 2, 5]],
    ['start behind the values', [2 ** 32 - 1, 4, 4, 4]],
  ])('are no offsets that %s', (_, offsets) => {
    const out = new Float64Array(3);
    expect(codeOf(() => k.sumSegmentsF32(out, f32(4), Uint32Array.from(offsets)))).toBe('ERR_INDEX_RANGE');
    expect([...out]).toEqual([0, 0, 0]);
  });

  it('do not let a pooling window leave the image', () => {
    const pool = (size: number, stride: number, out: number) => () => {
      const [y, at] = [f32(out * out), new Uint32Array(out * out)];
      k.maxPoolF32(y, at, f32(16), 1, 1, 4, 4, size, stride, out, out);
    };
    expect(codeOf(pool(2, 2, 2))).toBe('nothing thrown');
    expect(codeOf(pool(2, 2, 3))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(pool(3, 2, 2))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(pool(5, 1, 1))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(pool(2, 0, 2))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(pool(0, 1, 2))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(() => k.averagePoolF32(f32(9), f32(16), 1, 1, 4, 4, 2, 2, 3, 3))).toBe(
      'ERR_SHAPE_MISMATCH',
    );
    expect(codeOf(() => k.averagePoolGradF32(f32(16), f32(9), 1, 1, 4, 4, 2, 2, 3, 3))).toBe(
      'ERR_SHAPE_MISMATCH',
    );
  });

  it('give a convolution an output of its size and a stride', () => {
    const conv = (stride: number, out: number) => () =>
      k.conv2dF32(f32(out * out), f32(16), f32(9), none, 1, 1, 4, 4, 1, 3, 3, stride, 0, out, out, 0);
    expect(codeOf(conv(1, 2))).toBe('nothing thrown');
    expect(codeOf(conv(1, 3))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(conv(0, 2))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(() => k.conv2dDataGradF32(f32(16), f32(4), f32(9), 1, 1, 4, 4, 1, 3, 3, 0, 0, 2, 2))).toBe(
      'ERR_SHAPE_MISMATCH',
    );
  });

  it('give a known activation, a block of one or more, and as many pixels to each channel', () => {
    expect(codeOf(() => k.gemmF32(f32(1), f32(1), f32(1), none, 1, 1, 1, 0, 0, 1, 0, 4))).toBe(
      'ERR_SHAPE_MISMATCH',
    );
    expect(codeOf(() => k.quantizeInt8(new Int8Array(4), none, f32(4), 0))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(() => k.dequantizeInt8(f32(4), new Int8Array(4), none, 0))).toBe('ERR_SHAPE_MISMATCH');
    const rows = (channels: number) => () =>
      k.gatherRowsU8F32(
        f32(5),
        new Uint8Array(5),
        Uint32Array.of(0),
        f32(channels),
        f32(channels),
        1,
        5,
        channels,
      );
    expect(codeOf(rows(5))).toBe('nothing thrown');
    expect(codeOf(rows(2))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(rows(0))).toBe('ERR_SHAPE_MISMATCH');
  });

  it('may not have sizes whose product wraps around to the length of an operand', () => {
    const two16 = 2 ** 16;
    expect(codeOf(() => k.addBiasF32(none, f32(two16), 2 ** 31, two16, 2 ** 17))).toBe('ERR_SHAPE_MISMATCH');
    expect(codeOf(() => k.averagePoolF32(none, none, two16, two16, two16, two16, 1, 1, two16, two16))).toBe(
      'ERR_SHAPE_MISMATCH',
    );
  });

  it('name the first element that is not finite when values are quantized', () => {
    for (const bad of [NaN, Infinity, -Infinity])
      for (const at of [0, 63, 64, 200]) {
        const x = f32(201);
        x[at] = bad;
        if (at < 200) x[200] = NaN;
        const [codes, scales] = [new Int8Array(201), new Float32Array(4)];
        expect(k.quantizeInt8(codes, scales, x, 64)).toBe(at);
        expect(k.quantizeInt8Stochastic(codes, scales, x, 64, 1, 2, 0, 0, 0, 0)).toBe(at);
      }
    expect(k.quantizeInt8(new Int8Array(64), new Float32Array(1), f32(64), 64)).toBe(-1);
  });

  it('are rounded to float32 where a float32 is declared', () => {
    const x = f32(1, 0);
    k.fillF32(x, 1 + 2 ** -40);
    expect(x[0]).toBe(1);
    expect(createReference().lerpF32(x, f32(1, 0), f32(1, 3), 0.1)).toBe(undefined);
    const other = f32(1);
    k.lerpF32(other, f32(1, 0), f32(1, 3), 0.1);
    expect(other[0]).toBe(Math.fround(3 * Math.fround(0.1)));
    expect(x[0]).toBe(other[0]);
  });
});
