/** Panels and lists of the native executor against one kernel call an op: the same bits for shapes that fit no tile. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { AnyArray } from '../../src/kernels/buffer.js';
import { findAddon } from '../../src/kernels/select.js';
import { mlp } from '../../src/nn/zoo.js';
import { defineModel, type Model } from '../../src/program/model.js';
import {
  type BoundProgram,
  fisherProgram,
  type TrainingOptions,
  trainingProgram,
} from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import type { JobRequest } from '../../src/train/job.js';
import { createNativeRunner } from '../../src/train/native-runner.js';
import { bindAll } from './golden-model.js';
import { uniforms } from './random.js';

const found = findAddon();
const levels = 'addon' in found ? found.addon.levels().filter((level) => level.runsHere) : [];
const f32Examples = { dtype: 'f32' } as const;

interface Net {
  size: number;
  channels: number;
  first: number;
  second: number;
  kernel: number;
  padding: 'same' | 'valid';
  pool: number;
}

/** Convolution, rectifier, convolution, rectifier, pool, dense: a delta behind a rectifier and one behind a pool. */
function cnn({ size, channels, first, second, kernel, padding, pool }: Net): Model {
  return defineModel({ input: [channels, size, size], classes: 5, name: 'cnn' }, (t, x) => {
    const common = { kernel, padding, activation: 'relu' } as const;
    const a = t.conv2d(x, { ...common, channels: first, name: 'conv1' });
    const b = t.conv2d(a, { ...common, channels: second, name: 'conv2' });
    return t.dense(t.flatten(t.maxPool(b, { size: pool })), { units: 5, name: 'fc' });
  });
}

interface Change {
  initial?: (values: Float32Array) => void;
  examples?: (values: Float32Array) => void;
}

function jobOf(
  model: Model,
  program: BoundProgram,
  count: number,
  seed: number,
  change: Change = {},
): JobRequest {
  const initial = Float32Array.from(model.init(seed));
  // About half of the inputs are 0, and every third column is.
  const examples = Float32Array.from(uniforms(count * model.inputSize, seed + 1), (v, i) =>
    v < 0 || (i % model.inputSize) % 3 === 1 ? 0 : v,
  );
  change.initial?.(initial);
  change.examples?.(examples);
  const given: Record<string, AnyArray> = {
    initial,
    params: Float32Array.from(initial),
    examples,
    labels: Int32Array.from({ length: count }, (_, i) => (i * 3) % model.classes),
  };
  const scalars = startScalars(program, { lr: 0.125, exampleCount: count });
  const index = Uint32Array.from({ length: count }, (_, i) => i);
  return {
    program,
    bindings: bindAll(program, given),
    index,
    epochs: 2,
    shuffle: { key0: 1, key1: 2 },
    scalars,
  };
}

const written = new Set(['slot', 'gradient', 'state', 'totals']);

/** Everything that a job wrote, as words; a NaN is a NaN whatever its bits. */
function bits({ program, bindings }: JobRequest): Record<string, number[]> {
  const spaces = program.spaces.filter(({ role }) => written.has(role));
  return Object.fromEntries(
    spaces.map(({ name, dtype }) => {
      const values = bindings[name];
      const words = new Uint32Array(values.buffer, values.byteOffset, values.byteLength / 4);
      const perValue = dtype === 'f64' ? 2 : 1;
      return [
        name,
        Array.from(words, (word, i) => (Number.isNaN(values[Math.floor(i / perValue)]) ? Number.NaN : word)),
      ];
    }),
  );
}

if (levels.length === 0) it.skip('native executor: not built on this machine, see `heddle doctor`', () => {});

describe.each(levels.map((level) => level.name))('native %s', (isa) => {
  const addon = 'addon' in found ? found.addon : undefined;
  if (!addon) throw new Error('levels without an addon');
  const fast = createNativeRunner(addon, { workers: 1, isa });
  const plain = createNativeRunner(addon, { workers: 1, isa, fastPaths: false });
  afterAll(async () => {
    await fast.dispose();
    await plain.dispose();
  });

  async function sameBits(make: () => JobRequest): Promise<JobRequest> {
    const [left, right] = [make(), make()];
    await fast.run(left);
    await plain.run(right);
    expect(bits(left)).toEqual(bits(right));
    return left;
  }

  const options: readonly Partial<TrainingOptions>[] = [
    {},
    { weightDecay: 0.0625 },
    { exampleClip: { maxNorm: 0.25 } },
    { optimizer: { kind: 'sgdm', momentum: 0.5 }, terms: [{ name: 't', a: 0.5, center: 'initial' }] },
    { optimizer: { kind: 'adam' }, maxGradNorm: 0.5 },
  ];

  it('trains perceptrons of any width and batch', async () => {
    const width = fc.integer({ min: 1, max: 70 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(width, { minLength: 2, maxLength: 3 }),
        fc.integer({ min: 2, max: 35 }),
        fc.nat({ max: 40 }),
        fc.constantFrom('relu', 'tanh', 'sigmoid'),
        fc.constantFrom(...options),
        async (layers, batchSize, count, activation, given) => {
          const model = mlp({ layers: [...layers, 3], activation } as Parameters<typeof mlp>[0]);
          const examples = count + 1;
          const tailSize = examples % batchSize;
          const program = trainingProgram(model, { batchSize, tailSize, examples: f32Examples, ...given });
          await sameBits(() => jobOf(model, program, examples, 3));
        },
      ),
      { numRuns: 40, seed: 11 },
    );
  });

  it('trains wide layers, whose single zeros are left out, at any batch', async () => {
    const width = fc.integer({ min: 97, max: 290 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(width, { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 1, max: 70 }),
        fc.nat({ max: 70 }),
        fc.constantFrom(...options),
        async (layers, batchSize, count, given) => {
          const examples = count + 1;
          const tailSize = examples % batchSize;
          const model = mlp({ layers: [...layers, 3] });
          const program = trainingProgram(model, { batchSize, tailSize, examples: f32Examples, ...given });
          await sameBits(() => jobOf(model, program, examples, 8));
        },
      ),
      { numRuns: 12, seed: 13 },
    );
  });

  it('trains convolutions of any size, channels and padding', async () => {
    const channels = fc.integer({ min: 1, max: 35 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          size: fc.integer({ min: 11, max: 17 }),
          channels: fc.integer({ min: 1, max: 3 }),
          first: channels,
          second: channels,
          kernel: fc.constantFrom(1, 3, 5),
          padding: fc.constantFrom('same', 'valid'),
          pool: fc.constantFrom(1, 2, 3),
        }),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(...options),
        async (net, batchSize, given) => {
          const model = cnn(net as Net);
          const tailSize = 5 % batchSize;
          const program = trainingProgram(model, { batchSize, tailSize, examples: f32Examples, ...given });
          await sameBits(() => jobOf(model, program, 5, 4));
        },
      ),
      { numRuns: 25, seed: 12 },
    );
  });

  it('sums squared gradients', async () => {
    for (const model of [mlp({ layers: [20, 33, 3] }), cnn(kNet)]) {
      const program = fisherProgram(model, { batchSize: 4, tailSize: 3, examples: f32Examples });
      await sameBits(() => jobOf(model, program, 7, 5));
    }
  });

  it('keeps the sign of zeros as one call an op does', async () => {
    const model = mlp({ layers: [24, 20, 3] });
    const change: Change = { initial: (values) => values.fill(-0, 0, 300) };
    for (const given of options) {
      const program = trainingProgram(model, { batchSize: 5, tailSize: 2, examples: f32Examples, ...given });
      await sameBits(() => jobOf(model, program, 12, 6, change));
      // No batch at all, and so no step that could change anything.
      const idle = await sameBits(() => ({ ...jobOf(model, program, 12, 6, change), epochs: 0 }));
      expect(Object.is(idle.bindings.params[0], -0)).toBe(true);
    }
  });

  it.each([
    ['a perceptron', mlp({ layers: [24, 20, 3] })],
    [
      'a convolution',
      cnn({ size: 8, channels: 1, first: 4, second: 5, kernel: 3, padding: 'same', pool: 2 }),
    ],
  ])('does not hide a NaN from %s', async (_, model) => {
    const program = trainingProgram(model, { batchSize: 4, examples: f32Examples });
    const job = jobOf(model, program, 4, 7, { examples: (values) => values.fill(Number.NaN, 0, 1) });
    await fast.run(job);
    expect(Number.isNaN(job.bindings.totals[0])).toBe(true);
    expect((job.bindings.params as Float32Array).some(Number.isNaN)).toBe(true);
  });
});

const kNet: Net = { size: 10, channels: 2, first: 6, second: 17, kernel: 3, padding: 'valid', pool: 2 };
