import { describe, expect, it } from 'vitest';
import { countLabels, type DatasetOptions, dataset, gatherF32, withShape } from '../../src/data/dataset.js';
import { DataFormatError, LabelRangeError, NonFiniteDataError } from '../../src/data/errors.js';
import { InvalidArgumentError, ShapeMismatchError } from '../../src/errors.js';

const small = (changes: Partial<DatasetOptions> = {}) =>
  dataset({
    name: 'tiny',
    x: Uint8Array.of(0, 51, 102, 153, 204, 255),
    shape: [2],
    scale: 1 / 255,
    y: [0, 1, 2],
    classes: 3,
    ...changes,
  });

describe('dataset', () => {
  it('keeps values, labels and sizes, in shared memory', () => {
    const source = Uint8Array.of(0, 51, 102, 153, 204, 255);
    const data = small({ x: source });
    source.fill(9);
    expect(Array.from(data.x)).toEqual([0, 51, 102, 153, 204, 255]);
    expect([data.size, data.exampleSize, data.classes]).toEqual([3, 2, 3]);
    expect(Array.from(data.y)).toEqual([0, 1, 2]);
    expect(data.x.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(data.y.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('uses shared memory of the caller without a copy', () => {
    const x = new Float32Array(new SharedArrayBuffer(24));
    expect(small({ x }).x).toBe(x);
  });

  it('counts labels', () => {
    expect(Array.from(countLabels(small({ y: [2, 0, 2] })))).toEqual([1, 0, 2]);
  });

  it('numbers owners by value, whatever their order', () => {
    const data = small({ clientOf: [30, 4, 30] });
    expect(Array.from(data.clientOf ?? [])).toEqual([1, 0, 1]);
    expect(data.clientNames).toEqual(['4', '30']);
    expect(small({ clientOf: ['b', 'a', 'c'] }).clientNames).toEqual(['a', 'b', 'c']);
  });

  it('names the example, the value and the classes of a label out of range', () => {
    expect(() => small({ y: [0, 3, 1] })).toThrow(LabelRangeError);
    expect(() => small({ y: [0, 3, 1] })).toThrow(
      /tiny: label of example 1 is 3, outside 0 \.\. 2 \(3 classes\)/,
    );
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 32])
      expect(() => small({ y: [0, 1, bad] })).toThrow(/example 2/);
  });

  it('names the example that holds NaN or an infinity', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const x = new Float32Array(6);
      x[3] = bad;
      expect(() => small({ x })).toThrow(NonFiniteDataError);
      expect(() => small({ x })).toThrow(`example 1 holds ${bad} at element 1`);
    }
  });

  it('refuses lengths that disagree', () => {
    expect(() => small({ y: [0, 1] })).toThrow(ShapeMismatchError);
    expect(() => small({ y: [0, 1] })).toThrow(/expected shape \[2,2\], received \[3,2\]/);
    expect(() => small({ x: new Uint8Array(5) })).toThrow(ShapeMismatchError);
    expect(() => small({ clientOf: [1] })).toThrow(ShapeMismatchError);
  });

  it('refuses an empty set, and bad shapes, scales, classes and statistics', () => {
    expect(() => small({ x: new Uint8Array(0), y: [] })).toThrow(DataFormatError);
    const bad: Partial<DatasetOptions>[] = [
      { shape: [] },
      { shape: [0] },
      { shape: [1.5] },
      { scale: 0 },
      { scale: Number.NaN },
      { classes: 0 },
      { classes: 2.5 },
      { mean: [0, 0] },
      { std: [0] },
      { x: [1, 2] as unknown as Uint8Array },
    ];
    for (const changes of bad)
      expect(() => small(changes), JSON.stringify(changes)).toThrow(InvalidArgumentError);
  });
});

describe('gatherF32', () => {
  it('scales in float32', () => {
    const values = gatherF32(small(), [2, 0]);
    const scale = Math.fround(1 / 255);
    expect(Array.from(values)).toEqual([204, 255, 0, 51].map((v) => Math.fround(v * scale)));
  });

  it('takes off the mean and divides by the deviation of each channel', () => {
    const data = dataset({
      x: Uint8Array.of(10, 20, 30, 40),
      shape: [2, 1, 2],
      mean: [15, 30],
      std: [5, 2],
      y: [0],
      classes: 1,
    });
    const values = gatherF32(data, [0]);
    [-1, 1, 0, 5].forEach((expected, i) => {
      expect(values[i]).toBeCloseTo(expected, 6);
    });
  });

  it('fills the array it is given', () => {
    const out = new Float32Array(8).fill(7);
    expect(gatherF32(small({ scale: 1 }), [1], out)).toBe(out);
    expect(Array.from(out)).toEqual([102, 153, 7, 7, 7, 7, 7, 7]);
  });
});

describe('withShape', () => {
  it('shares the values under another shape of equal size', () => {
    const data = small();
    const column = withShape(data, [1, 2, 1]);
    expect(column.x).toBe(data.x);
    expect(column.shape).toEqual([1, 2, 1]);
    expect(() => withShape(data, [3])).toThrow(ShapeMismatchError);
  });

  it('keeps per-channel statistics on their axis', () => {
    const data = small({ shape: [2, 1, 1], mean: [0, 0], std: [1, 1] });
    expect(() => withShape(data, [2])).toThrow(/per channel/);
  });
});
