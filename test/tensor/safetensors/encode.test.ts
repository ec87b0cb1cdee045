import { describe, expect, it } from 'vitest';
import { ShapeMismatchError } from '../../../src/errors.js';
import { ParamSpec, ParamSpecError } from '../../../src/tensor/param-spec.js';
import { encodeSafetensors } from '../../../src/tensor/safetensors/encode.js';

const spec = new ParamSpec([
  { name: 'fc1.weight', kind: 'weight', shape: [2, 3] },
  { name: 'fc1.bias', kind: 'bias', shape: [2] },
]);
const values = Float32Array.of(1, -2, 0.5, 3, 1e-40, Number.NaN, 7, -0);

describe('a safetensors file', () => {
  it('has the layout of the format: length, padded JSON, values in the order of the spec', () => {
    const file = encodeSafetensors(spec, values, { 'heddle.round': '3' });
    const view = new DataView(file.buffer);
    const headerLength = Number(view.getBigUint64(0, true));
    expect(headerLength % 8).toBe(0);
    expect(file.length).toBe(8 + headerLength + 32);
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerLength)));
    expect(header).toEqual({
      __metadata__: { format: 'pt', 'heddle.round': '3' },
      'fc1.weight': { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
      'fc1.bias': { dtype: 'F32', shape: [2], data_offsets: [24, 32] },
    });
    const read = new Float32Array(file.slice(8 + headerLength).buffer);
    expect([...read].map((v, i) => Object.is(v, values[i]))).toEqual(new Array(8).fill(true));
  });

  it('names tied tensors once and lists their other names', () => {
    const tied = new ParamSpec([{ name: 'embed.weight', kind: 'embedding', shape: [2] }], {
      'head.weight': 'embed.weight',
    });
    const file = encodeSafetensors(tied, Float32Array.of(1, 2));
    const text = new TextDecoder().decode(file);
    expect(text).toContain('"heddle.aliases":"{\\"head.weight\\":\\"embed.weight\\"}"');
    expect(text.split('data_offsets')).toHaveLength(2);
  });

  it('is refused for a tensor that is called as the metadata', () => {
    const named = new ParamSpec([{ name: '__metadata__', kind: 'weight', shape: [1] }]);
    expect(() => encodeSafetensors(named, new Float32Array(1))).toThrow(ParamSpecError);
  });

  it('holds tensors of any other name', () => {
    const names = ['__proto__', 'constructor', '0', 'ä "quoted" \\ name'];
    const odd = new ParamSpec(names.map((name) => ({ name, kind: 'weight' as const, shape: [1] })));
    const file = encodeSafetensors(odd, Float32Array.of(1, 2, 3, 4));
    const headerLength = Number(new DataView(file.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerLength)));
    for (const [i, name] of names.entries())
      expect(Object.entries(header).find(([key]) => key === name)?.[1]).toEqual({
        dtype: 'F32',
        shape: [1],
        data_offsets: [4 * i, 4 * i + 4],
      });
  });

  it('is refused for a vector of another model', () => {
    expect(() => encodeSafetensors(spec, new Float32Array(7))).toThrow(ShapeMismatchError);
  });
});
