import { describe, expect, it } from 'vitest';
import { type InMemoryModel, linear, mergeModels, slerp } from '../../../src/combine/merge/in-memory.js';
import { InvalidArgumentError, ShapeMismatchError } from '../../../src/errors.js';

const a = Float32Array.of(1, 0);
const b = Float32Array.of(0, 1);

describe('models in memory', () => {
  it('interpolates two on the circle', () => {
    const half = slerp(a, b, { t: 0.5 });
    expect(half[0]).toBeCloseTo(Math.SQRT1_2, 7);
    expect(half[1]).toBeCloseTo(Math.SQRT1_2, 7);
  });

  it('averages by weight', () => {
    expect([...linear([a, b], { weights: [1, 3] })]).toEqual([0.25, 0.75]);
    expect([...linear([a, b], { weights: [1, 3], normalize: false })]).toEqual([1, 3]);
  });

  it('merges tensors by name, each for itself', () => {
    const model = (scale: number): InMemoryModel =>
      new Map([
        ['w', { shape: [1, 2], values: Float32Array.of(scale, 2 * scale) }],
        ['b', { shape: [1], values: Float32Array.of(-scale) }],
      ]);
    const merged = mergeModels('task_arithmetic', [model(3), model(5)], {
      base: model(1),
      parameters: { weight: [1, 0.5], lambda: 2 },
    }) as ReadonlyMap<string, { shape: readonly number[]; values: Float32Array }>;
    // 1 + 2 (2 + 0.5 * 4) = 9.
    expect([...merged.keys()]).toEqual(['w', 'b']);
    expect([...(merged.get('w')?.values ?? [])]).toEqual([9, 18]);
    expect([...(merged.get('b')?.values ?? [])]).toEqual([-9]);
  });

  it('says what is wrong', () => {
    expect(() => mergeModels('tais', [a])).toThrow(/ties/);
    expect(() => mergeModels('ties', [a])).toThrow(/base/);
    expect(() => mergeModels('linear', [a, b], { parameters: { weihgt: 1 } })).toThrow(InvalidArgumentError);
    expect(() => mergeModels('linear', [a, b], { parameters: { weight: [1] } })).toThrow(/2 of them/);
    expect(() => mergeModels('slerp', [a], { base: b })).toThrow(/parameter t/);
    expect(() => mergeModels('slerp', [a, a], { base: b, parameters: { t: 1 } })).toThrow(/1 to 1/);
    expect(() => linear([a, Float32Array.of(1)])).toThrow(ShapeMismatchError);
  });
});
