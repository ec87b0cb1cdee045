import { describe, expect, it } from 'vitest';
import { createReference } from '../../src/kernels/reference.js';
import { runJob } from '../../src/program/execute.js';
import {
  type BoundProgram,
  evaluationProgram,
  fisherProgram,
  type TrainingOptions,
  trainingProgram,
} from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import {
  bindAll,
  flatten,
  type Golden,
  type GoldenOptimizer,
  goldenCases,
  goldenModel,
  readGolden,
  relativeError,
} from './golden-model.js';

// PyTorch's own float32 ends within 2e-7 of the float64 weights; sums in another order may do a little worse.
const kWeights = 2e-6;
const kGradient = 1e-5;
const kernels = createReference();
const f32Examples = { dtype: 'f32' } as const;

function optionsFor(o: GoldenOptimizer, maxNorm: number): Partial<TrainingOptions> {
  const weightDecay = o.weightDecay ?? 0;
  if (o.kind === 'clippedSgd') return { weightDecay, exampleClip: { maxNorm } };
  if (o.kind === 'adam')
    return { weightDecay, optimizer: { kind: 'adam', beta1: o.beta1, beta2: o.beta2, epsilon: o.epsilon } };
  if (!o.momentum) return { weightDecay };
  return { weightDecay, optimizer: { kind: 'sgdm', momentum: o.momentum, nesterov: o.nesterov } };
}

function run(golden: Golden, program: BoundProgram, client: number, lr: number, count?: number) {
  const model = goldenModel(golden);
  const { x, y, nExamples } = golden.clients[client];
  const initial = Float32Array.from(flatten(model, golden.initial));
  const bindings = bindAll(program, {
    initial,
    params: Float32Array.from(initial),
    examples: Float32Array.from(x),
    labels: Int32Array.from(y),
  });
  const index = Uint32Array.from({ length: count ?? nExamples }, (_, i) => i);
  const scalars = startScalars(program, { lr, exampleCount: nExamples });
  runJob(kernels, { program, bindings, index, epochs: 1, scalars });
  return { bindings, model, initial };
}

describe.each(goldenCases)('%s against PyTorch in float64', (name) => {
  const golden = readGolden(name);
  const { batchSize } = golden;

  it('lists parameters in PyTorch order, names and shapes', () => {
    const { spec } = goldenModel(golden);
    expect(spec.entries.map((entry) => ({ name: entry.name, shape: entry.shape }))).toEqual(
      golden.parameters,
    );
  });

  describe.each(golden.training)('$name', ({ optimizer, clients }) => {
    it.each(clients.map((_, client) => client))('ends client %i at the same weights', (client) => {
      const { nExamples } = golden.clients[client];
      const program = trainingProgram(goldenModel(golden), {
        batchSize,
        tailSize: nExamples % batchSize,
        examples: f32Examples,
        ...optionsFor(optimizer, golden.clipNorm),
      });
      const { bindings, model, initial } = run(golden, program, client, optimizer.learningRate);
      const expected = flatten(model, clients[client].weights);
      expect(relativeError(bindings.params, expected)).toBeLessThan(kWeights);
      const delta = expected.map((w, i) => w - initial[i]);
      expect(relativeError(bindings.delta, delta)).toBeLessThan(100 * kWeights);
      const [lossSum, , rows] = bindings.totals;
      const sizes = clients[client].losses.map((_, i) => Math.min(batchSize, nExamples - i * batchSize));
      const expectedSum = clients[client].losses.reduce((sum, loss, i) => sum + loss * sizes[i], 0);
      expect(rows).toBe(nExamples);
      expect(Math.abs(lossSum - expectedSum)).toBeLessThan(1e-5 * expectedSum);
    });
  });

  it('interleaved and buffered plain SGD agree', () => {
    const lr = golden.training[0].optimizer.learningRate;
    const options = { batchSize, tailSize: 3, examples: f32Examples, weightDecay: 0.0625 } as const;
    const model = goldenModel(golden);
    const [direct, buffered] = [{}, { schedule: 'buffered' } as const].map((schedule) =>
      trainingProgram(model, { ...options, ...schedule }),
    );
    expect([direct.schedule, buffered.schedule]).toEqual(['interleaved', 'buffered']);
    const [a, b] = [direct, buffered].map((program) => run(golden, program, 1, lr).bindings.params);
    expect(relativeError(a, b as Float32Array)).toBeLessThan(kWeights);
  });

  it('has the batch gradient in the gradient space', () => {
    const program = trainingProgram(goldenModel(golden), {
      batchSize,
      examples: f32Examples,
      schedule: 'buffered',
    });
    const { bindings, model } = run(golden, program, 0, 0.5, batchSize);
    expect(relativeError(bindings.gradient, flatten(model, golden.firstBatch.gradient))).toBeLessThan(
      kGradient,
    );
  });

  it('sums clipped gradients of single examples', () => {
    const program = trainingProgram(goldenModel(golden), {
      batchSize,
      examples: f32Examples,
      schedule: 'buffered',
      exampleClip: { maxNorm: golden.clipNorm },
    });
    expect(program.schedule).toBe('perExample');
    const { bindings, model } = run(golden, program, 0, 0.5, batchSize);
    const expected = flatten(model, golden.firstBatch.clippedSum).map((g) => g / batchSize);
    expect(relativeError(bindings.gradient, expected)).toBeLessThan(kGradient);
  });

  it('sums squares of single gradients for the Fisher', () => {
    const program = fisherProgram(goldenModel(golden), { batchSize, examples: f32Examples });
    const { bindings, model } = run(golden, program, 0, 0, batchSize);
    const expected = flatten(model, golden.firstBatch.sumOfSquares);
    expect(relativeError(bindings.fisher, expected)).toBeLessThan(kGradient);
  });

  it('adds loss and correct predictions to the totals', () => {
    const program = evaluationProgram(goldenModel(golden), { batchSize, examples: f32Examples });
    const { bindings } = run(golden, program, 0, 0, batchSize);
    const { losses, logits } = golden.firstBatch;
    const correct = losses.filter((_, r) => {
      const row = logits.slice(3 * r, 3 * r + 3);
      return row.indexOf(Math.max(...row)) === golden.clients[0].y[r];
    });
    const sum = losses.reduce((total, loss) => total + loss, 0);
    expect(Math.abs(bindings.totals[0] - sum)).toBeLessThan(1e-5 * sum);
    expect([...bindings.totals].slice(1)).toEqual([correct.length, batchSize]);
  });
});
