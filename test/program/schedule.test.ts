import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReference } from '../../src/kernels/reference.js';
import { mlp, mnistCnn } from '../../src/nn/zoo.js';
import { runJob } from '../../src/program/execute.js';
import { planArena } from '../../src/program/lower/planner.js';
import { defineModel, type Model } from '../../src/program/model.js';
import { type BoundProgram, evaluationProgram, trainingProgram } from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import { encodeJobProgram } from '../../src/program/tape.js';
import { bindAll, relativeError } from './golden-model.js';
import { uniforms } from './random.js';

const f32Examples = { dtype: 'f32' } as const;
const kernelsOf = ({ full }: BoundProgram) => full.ops.map((op) => `${op.kernel} ${op.label}`);

describe('the interleaved schedule', () => {
  it('takes each data gradient before its weight is overwritten', () => {
    expect(kernelsOf(trainingProgram(mlp(), { batchSize: 10 }))).toEqual([
      'gatherRowsU8F32 input',
      'gatherI32 input',
      'gemmF32 fc1',
      'gemmF32 fc2',
      'gemmF32 fc3',
      'softmaxCrossEntropyF32 loss',
      'countCorrectF32 totals',
      'gemmF32 fc3',
      'gemmF32 fc3.weight',
      'sumChannelsF32 fc3.bias',
      'reluGradF32 fc2',
      'gemmF32 fc2',
      'gemmF32 fc2.weight',
      'sumChannelsF32 fc2.bias',
      'reluGradF32 fc1',
      'gemmF32 fc1.weight',
      'sumChannelsF32 fc1.bias',
    ]);
  });

  it('keeps the pattern of convolution, ReLU and pool together on the way back', () => {
    const kernels = kernelsOf(trainingProgram(mnistCnn(), { batchSize: 10 }));
    expect(kernels.slice(kernels.indexOf('maxPoolGradF32 conv2'))).toEqual([
      'maxPoolGradF32 conv2',
      'reluGradF32 conv2',
      'conv2dDataGradF32 conv2',
      'conv2dWeightGradF32 conv2.weight',
      'sumChannelsF32 conv2.bias',
      'maxPoolGradF32 conv1',
      'reluGradF32 conv1',
      'conv2dWeightGradF32 conv1.weight',
      'sumChannelsF32 conv1.bias',
    ]);
  });

  it('encodes to words that name every space and op', () => {
    const program = trainingProgram(mlp(), { batchSize: 10, tailSize: 3 });
    const words = encodeJobProgram(program);
    expect([...words.subarray(1, 5)]).toEqual([1, 10, 3, program.spaces.length]);
    expect(words.every(Number.isFinite)).toBe(true);
  });

  it('gives way to the buffered one where a gradient is computed from parameters', () => {
    const lora = defineModel({ input: [6], classes: 3 }, (t, x) => {
      const low = t.matmul(t.param('up', [3, 2]), t.param('down', [2, 6]));
      return t.matmul(x, t.add(t.param('frozen', [3, 6]), t.scale(low, 0.5)), { transB: true });
    });
    const program = trainingProgram(lora, { batchSize: 2 });
    expect(program.schedule).toBe('buffered');
  });
});

describe('scratch memory', () => {
  it('is reported for each schedule, and least for evaluation', () => {
    const model = mnistCnn();
    const [interleaved, buffered, perExample, evaluation] = [
      trainingProgram(model, { batchSize: 10 }),
      trainingProgram(model, { batchSize: 10, optimizer: { kind: 'adam' } }),
      trainingProgram(model, { batchSize: 10, exampleClip: { maxNorm: 1 } }),
      evaluationProgram(model, { batchSize: 10 }),
    ].map((program) => program.arenaBytes);
    expect(evaluation).toBeLessThan(interleaved);
    expect(interleaved).toBeLessThanOrEqual(buffered);
    expect(buffered).toBeLessThan(perExample);
    // The activations alone: both convolutions, both pools, input, hidden layer.
    const activations = 4 * 10 * (784 + 25_088 + 6_272 + 12_544 + 3_136 + 512);
    expect(interleaved).toBeGreaterThan(activations);
    expect(interleaved).toBeLessThan(2 * activations);
  });

  it('never overlaps while two regions live, and is not below the largest live set', () => {
    const region = fc
      .tuple(fc.integer({ min: 1, max: 500 }), fc.nat(30), fc.nat(10))
      .map(([length, first, lifetime]) => ({ length, first, last: first + lifetime }));
    fc.assert(
      fc.property(fc.array(region, { maxLength: 40 }), (regions) => {
        const { offsets, length } = planArena(regions);
        regions.forEach((a, i) => {
          expect(offsets[i] + a.length).toBeLessThanOrEqual(length);
          regions.slice(0, i).forEach((b, j) => {
            const together = a.first <= b.last && b.first <= a.last;
            const apart = offsets[i] + a.length <= offsets[j] || offsets[j] + b.length <= offsets[i];
            expect(!together || apart).toBe(true);
          });
        });
        for (let at = 0; at <= 40; at++) {
          const live = regions.filter((r) => r.first <= at && at <= r.last);
          expect(length).toBeGreaterThanOrEqual(live.reduce((sum, r) => sum + r.length, 0));
        }
      }),
      { seed: 3, numRuns: 200 },
    );
  });
});

function train(model: Model, program: BoundProgram, initial: Float32Array, n = 8): Float32Array {
  const bindings = bindAll(program, {
    initial,
    examples: Float32Array.from(uniforms(n * model.inputSize, 5)),
    labels: Int32Array.from({ length: n }, (_, i) => i % model.classes),
  });
  const index = Uint32Array.from({ length: n }, (_, i) => i);
  const scalars = startScalars(program, { lr: 0.25, exampleCount: n });
  runJob(createReference(), { program, bindings, index, epochs: 2, scalars });
  return bindings.params as Float32Array;
}

describe('sub-models', () => {
  const net = (units: number, channels: number) =>
    defineModel({ input: [2, 6, 6], classes: 3 }, (t, x) => {
      const c = t.conv2d(x, { channels, kernel: 3, padding: 'same', activation: 'relu', name: 'conv1' });
      return t.dense(t.dense(t.flatten(t.maxPool(c)), { units, activation: 'relu', name: 'fc1' }), {
        units: 3,
        name: 'fc2',
      });
    });

  it('train to the same bits as a model that was defined at their widths', () => {
    const [wide, narrow] = [net(12, 6), net(5, 4)];
    const widths = { 'fc1.out': 5, 'conv1.out': 4 };
    const spec = wide.spec.atWidths(widths);
    expect(spec.entries).toEqual(narrow.spec.entries);
    const initial = narrow.init(3);
    const options = { batchSize: 4, examples: f32Examples } as const;
    const inside = train(wide, trainingProgram(wide, { ...options, widths }), initial);
    expect(inside).toEqual(train(narrow, trainingProgram(narrow, options), initial));
    expect(inside).not.toEqual(initial);
  });
});

describe('models whose weights are computed', () => {
  it('train low-rank factors as the dense product they stand for', () => {
    // With one factor the identity, W = up I: its gradient is that of a dense weight.
    const factored = defineModel({ input: [4], classes: 3 }, (t, x) =>
      t.matmul(x, t.matmul(t.param('up', [3, 4]), t.stopGradient(t.param('eye', [4, 4]))), { transB: true }),
    );
    const dense = defineModel({ input: [4], classes: 3 }, (t, x) =>
      t.dense(x, { units: 3, name: 'fc', bias: false }),
    );
    const weights = Float32Array.from(uniforms(12, 8));
    const eye = Float32Array.from({ length: 16 }, (_, i) => Number(i % 5 === 0));
    const options = { batchSize: 4, examples: f32Examples } as const;
    const both = Float32Array.of(...weights, ...eye);
    const trained = train(factored, trainingProgram(factored, options), both);
    const expected = train(dense, trainingProgram(dense, options), weights);
    expect(relativeError(trained.subarray(0, 12), expected)).toBeLessThan(1e-6);
    expect(trained.subarray(12)).toEqual(eye);
  });
});
