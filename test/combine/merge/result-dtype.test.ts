import { describe, expect, it } from 'vitest';
import { mergeMethods } from '../../../src/combine/merge/registry.js';
import { isTaskVectorMethod, mathDtype, resultDtype } from '../../../src/combine/merge/result-dtype.js';
import type { StoredDtype } from '../../../src/tensor/safetensors/dtype.js';

describe('the type of a result', () => {
  it.each<[StoredDtype[], StoredDtype]>([
    [['BF16', 'BF16'], 'BF16'],
    [['BF16', 'F32'], 'F32'],
    [['F64', 'F32', 'F16'], 'F64'],
    // Neither holds the values of the other: F16 has more digits, BF16 a wider range.
    [['F16', 'BF16'], 'F32'],
    [['F8_E4M3', 'F8_E5M2'], 'F16'],
    [['F8_E4M3', 'BF16', 'F16'], 'F32'],
  ])('of %s is the smallest that holds all, %s', (dtypes, expected) => {
    expect(resultDtype('linear', dtypes, -1)).toBe(expected);
    expect(resultDtype('nuslerp', dtypes.toReversed(), 0)).toBe(expected);
    expect(resultDtype('ties', dtypes, -1)).toBe(expected);
  });

  it('of task vectors is that of the base, whatever the models have', () => {
    expect(resultDtype('ties', ['F32', 'F64', 'F16'], 2)).toBe('F16');
    expect(resultDtype('dare_linear', ['BF16', 'F64', 'F32'], 2)).toBe('F32');
  });

  it('of slerp is that of the base, and nothing is rounded to it before', () => {
    expect(resultDtype('slerp', ['F32', 'F16'], 1)).toBe('F16');
    expect(mathDtype('slerp', ['F32', 'F16'], 1)).toBe('F32');
  });

  it('is what a recipe wants, but for arcee_fusion in strict mode, which gives float32', () => {
    const strict = { wanted: 'F16', strict: true } as const;
    expect(resultDtype('slerp', ['F32', 'BF16'], 1, { wanted: 'F16' })).toBe('F16');
    expect(resultDtype('slerp', ['F32', 'BF16'], 1, strict)).toBe('F16');
    expect(resultDtype('arcee_fusion', ['BF16', 'BF16'], 1, { wanted: 'F16' })).toBe('F16');
    expect(resultDtype('arcee_fusion', ['BF16', 'BF16'], 1, strict)).toBe('F32');
  });

  it('names task-vector methods that all have a base', () => {
    const named = mergeMethods.filter(({ name }) => isTaskVectorMethod(name));
    expect(named).toHaveLength(8);
    expect(named.every(({ base }) => base === 'required')).toBe(true);
    // Methods of task vectors that the reference tool gives the type of all.
    expect(['sce', 'ram', 'nuslerp', 'model_stock'].some(isTaskVectorMethod)).toBe(false);
  });
});
