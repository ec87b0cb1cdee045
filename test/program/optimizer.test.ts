import { describe, expect, it } from 'vitest';
import { createReference } from '../../src/kernels/reference.js';
import { mlp } from '../../src/nn/zoo.js';
import { runJob } from '../../src/program/execute.js';
import { type TrainingOptions, trainingProgram } from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import { bindAll, relativeError } from './golden-model.js';
import { uniforms } from './random.js';

const model = mlp({ layers: [6, 5, 3], activation: 'tanh' });
const { size } = model.spec;
const kRows = 4;
const examples = Float32Array.from(uniforms(kRows * 6, 1));
const labels = Int32Array.of(0, 2, 1, 1);
const initial = Float32Array.from(uniforms(size, 2));
const lr = 0.25;

/** One step on the whole data, from `params` (which `before` sets to `initial`). */
function step(options: Partial<TrainingOptions>, given: Record<string, Float32Array | Uint8Array> = {}) {
  const program = trainingProgram(model, {
    batchSize: kRows,
    examples: { dtype: 'f32' },
    schedule: 'buffered',
    ...options,
  });
  const bindings = bindAll(program, { examples, labels, initial, ...given });
  const index = Uint32Array.from({ length: kRows }, (_, i) => i);
  const scalars = startScalars(program, { lr, exampleCount: kRows });
  runJob(createReference(), { program, bindings, index, epochs: 1, scalars });
  const { gradient, params, delta } = bindings as Record<string, Float32Array>;
  return { gradient, params, delta, program };
}

const plain = step({}).gradient;
const norm = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

describe('affine terms, g += a (w - center) + v', () => {
  const center = Float32Array.from(uniforms(size, 3));
  const v = Float32Array.from(uniforms(size, 4));
  const a = Float32Array.from(uniforms(size, 5));

  it('adds nothing for a proximal term at its centre, the start', () => {
    const { gradient } = step({ terms: [{ name: 'prox', a: 0.5, center: 'initial' }] });
    expect(relativeError(gradient, plain)).toBeLessThan(1e-7);
  });

  it.each<[string, TrainingOptions['terms'], (i: number) => number]>([
    ['a centre of its own', [{ name: 't', a: 0.5, center: 'own' }], (i) => 0.5 * (initial[i] - center[i])],
    ['no centre', [{ name: 't', a: 0.5 }], (i) => 0.5 * initial[i]],
    ['an offset alone', [{ name: 't', v: true }], (i) => v[i]],
    [
      'a weight for each coordinate',
      [{ name: 't', a: 'vector', center: 'own' }],
      (i) => a[i] * (initial[i] - center[i]),
    ],
    [
      'a weight for each coordinate, an offset and no centre',
      [{ name: 't', a: 'vector', v: true }],
      (i) => a[i] * initial[i] + v[i],
    ],
    [
      'two terms',
      [
        { name: 't', a: 0.25, center: 'own', v: true },
        { name: 'second', a: -0.5 },
      ],
      (i) => 0.25 * (initial[i] - center[i]) + v[i] - 0.5 * initial[i],
    ],
  ])('adds %s', (_, terms, expected) => {
    const { gradient, params } = step({ terms }, { 't.center': center, 't.v': v, 't.a': a });
    const wanted = plain.map((g, i) => g + expected(i));
    expect(relativeError(gradient, wanted)).toBeLessThan(1e-6);
    expect(
      relativeError(
        params,
        initial.map((w, i) => w - lr * wanted[i]),
      ),
    ).toBeLessThan(1e-6);
  });
});

describe('masks', () => {
  const mask = Uint8Array.from({ length: size }, (_, i) => Number(i % 3 !== 0));

  it.each([
    ['SGD', {}],
    ['SGD with decay', { weightDecay: 0.5 }],
    ['momentum with decay', { weightDecay: 0.5, optimizer: { kind: 'sgdm', momentum: 0.9, nesterov: true } }],
    ['Adam with decay', { weightDecay: 0.5, optimizer: { kind: 'adam' } }],
    ['SGD with a term', { terms: [{ name: 't', a: 1 }] }],
  ] as const)('leave masked coordinates where they are: %s', (_, options) => {
    const { delta } = step({ ...options, mask: true }, { mask });
    for (let i = 0; i < size; i++) {
      if (mask[i] === 0) expect(delta[i]).toBe(0);
    }
    expect(norm(delta)).toBeGreaterThan(0.01);
  });

  it('move the others as without a mask', () => {
    const options = { weightDecay: 0.5, optimizer: { kind: 'sgdm', momentum: 0.9 } } as const;
    const masked = step({ ...options, mask: true }, { mask }).delta;
    const free = step(options).delta;
    expect(
      relativeError(
        masked,
        free.map((d, i) => d * mask[i]),
      ),
    ).toBeLessThan(1e-6);
  });
});

describe('clip of the batch gradient', () => {
  it('scales a gradient above the bound to the bound, and keeps its direction', () => {
    const maxNorm = norm(plain) / 4;
    const { gradient } = step({ maxGradNorm: maxNorm });
    expect(norm(gradient)).toBeLessThanOrEqual(maxNorm);
    expect(
      relativeError(
        gradient,
        plain.map((g) => g / 4),
      ),
    ).toBeLessThan(1e-5);
  });

  it('leaves a gradient below the bound alone', () => {
    expect(step({ maxGradNorm: norm(plain) * 2 }).gradient).toEqual(plain);
  });
});

it('program options are checked', () => {
  const sizes = { batchSize: 4, examples: { dtype: 'f32' } } as const;
  expect(() => trainingProgram(model, { ...sizes, batchSize: 0 })).toThrow(/batchSize/);
  expect(() => trainingProgram(model, { ...sizes, tailSize: 4 })).toThrow(
    /tailSize must be an integer from 0 to 3/,
  );
  expect(() => trainingProgram(model, { ...sizes, maxGradNorm: 0 })).toThrow(/maxGradNorm/);
  expect(() => trainingProgram(model, { ...sizes, exampleClip: { maxNorm: -1 } })).toThrow(
    /exampleClip\.maxNorm/,
  );
  expect(() => trainingProgram(model, { ...sizes, widths: { 'fc2.out': 2 } })).toThrow(
    /hidden unit groups \(fc1\.out\)/,
  );
});

it('programs are bound once for a model and its options', () => {
  const options = { batchSize: 4, widths: { 'fc1.out': 3 } };
  expect(trainingProgram(model, options)).toBe(trainingProgram(model, { ...options }));
  expect(trainingProgram(model, options)).not.toBe(trainingProgram(model, { ...options, tailSize: 1 }));
});
