import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taskArithmetic } from '../../../src/combine/merge/functions.js';
import {
  addTaskVectors,
  applyTaskVector,
  negateTaskVector,
  scaleTaskVector,
  TaskVectorBaseError,
  taskVector,
} from '../../../src/combine/merge/task-vector-algebra.js';
import { InvalidArgumentError } from '../../../src/errors.js';
import { openModelBlobs } from '../../../src/tensor/safetensors/blob-reader.js';
import {
  encodeModel,
  type FlatModel,
  type FlatTensor,
  readModelBlobs,
} from '../../../src/tensor/safetensors/flat-model.js';
import { modelSha256 } from '../../../src/tensor/safetensors/model-hash.js';
import { randomTensor, tunedTensor } from './fixtures.js';

const ids: FlatTensor = {
  dtype: 'I64',
  shape: [1],
  values: Float32Array.of(5),
  stored: Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0),
};
const modelOf = (values: Float32Array, dtype: 'F32' | 'BF16' = 'F32'): FlatModel => ({
  tensors: new Map<string, FlatTensor>([
    ['w', { dtype, shape: [values.length], values }],
    ['ids', ids],
  ]),
  config: { layers: 3 },
});
const base = modelOf(randomTensor(50, 9));
const [a, b] = [1, 2].map((seed) =>
  modelOf(tunedTensor(base.tensors.get('w')?.values ?? new Float32Array(), seed)),
);
const valuesOf = (model: FlatModel): Float32Array => model.tensors.get('w')?.values ?? new Float32Array();

describe('task vectors', () => {
  it('are differences that add up to what task arithmetic gives', () => {
    const sum = addTaskVectors([taskVector(a, base), taskVector(b, base)]);
    const applied = valuesOf(applyTaskVector(base, sum, { scale: 0.5 }));
    const direct = valuesOf(taskArithmetic([a, b], { base, lambda: 0.5 }));
    // Rounded after the difference and after the sum, instead of once.
    for (const [i, value] of applied.entries()) expect(Math.abs(value - direct[i])).toBeLessThan(3e-7 * 2);
    expect(applied).not.toEqual(valuesOf(base));
  });

  it('lead there and back, within an ulp of the sum', () => {
    const values = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, values, (x, y) => {
        const n = Math.min(x.length, y.length);
        const from = Float32Array.from(x.slice(0, n));
        const vector = taskVector(Float32Array.from(y.slice(0, n)), from);
        const there = applyTaskVector(from, vector);
        const back = applyTaskVector(there, negateTaskVector(vector));
        for (let i = 0; i < n; i++) {
          const largest = Math.max(Math.abs(there[i]), Math.abs(vector[i]), Math.abs(from[i]));
          expect(Math.abs(back[i] - from[i])).toBeLessThanOrEqual(largest * 2 ** -23);
        }
      }),
      { numRuns: 200, seed: 5 },
    );
  });

  it('scale, and cancel with their negative', () => {
    const vector = taskVector(Float32Array.of(3, -1), Float32Array.of(1, 1));
    expect([...vector]).toEqual([2, -2]);
    expect([...scaleTaskVector(vector, 0.25)]).toEqual([0.5, -0.5]);
    expect([...addTaskVectors([vector, negateTaskVector(vector)])]).toEqual([0, 0]);
    expect(() => scaleTaskVector(vector, Number.NaN)).toThrow(InvalidArgumentError);
    expect(() => addTaskVectors([])).toThrow(InvalidArgumentError);
  });

  it('are stored with the hash of their base, and applied after they are read', async () => {
    const file = await encodeModel(taskVector(a, base));
    const read = await readModelBlobs('vector', file);
    expect(read.metadata?.kind).toBe('task_vector');
    // The same hash as that of the base's file.
    const source = await openModelBlobs('base', await encodeModel(base));
    expect(read.metadata?.base_sha256).toBe(await modelSha256(source));
    // What is not a float is no part of a task, and comes from the base.
    expect([...read.tensors.keys()]).toEqual(['w']);
    const applied = applyTaskVector(base, read);
    expect(applied.tensors.get('ids')).toBe(ids);
    expect(applied.config).toEqual({ layers: 3 });
    expect(applied.metadata).toBeUndefined();
    for (const [i, value] of valuesOf(applied).entries())
      expect(Math.abs(value - valuesOf(a)[i])).toBeLessThan(2 ** -22);
  });

  it('keep float32 and give the type of the base back', () => {
    const half = modelOf(Float32Array.of(1, 2), 'BF16');
    const vector = taskVector(modelOf(Float32Array.of(1.001, 2), 'F32'), half);
    expect(vector.tensors.get('w')?.dtype).toBe('F32');
    expect(applyTaskVector(half, vector).tensors.get('w')?.dtype).toBe('BF16');
  });

  it('refuse another base, and what is no task vector', () => {
    const vector = taskVector(a, base);
    expect(() => applyTaskVector(b, vector)).toThrow(TaskVectorBaseError);
    expect(() => applyTaskVector(b, vector)).toThrow(/anyBase: true/);
    expect(valuesOf(applyTaskVector(b, vector, { anyBase: true })).length).toBe(50);
    expect(() => addTaskVectors([vector, taskVector(a, b)])).toThrow(TaskVectorBaseError);
    expect(() => negateTaskVector(a)).toThrow(/what `taskVector` made/);
    expect(() => applyTaskVector(base, { tensors: new Map() })).toThrow(/the task vector has no tensor w/);
  });
});
