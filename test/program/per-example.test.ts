import { describe, expect, it } from 'vitest';
import { createReference } from '../../src/kernels/reference.js';
import { PerExampleError } from '../../src/program/errors.js';
import { runJob } from '../../src/program/execute.js';
import { interpret } from '../../src/program/interpret.js';
import { defineModel, type Model } from '../../src/program/model.js';
import {
  type BoundProgram,
  fisherProgram,
  gradientGraph,
  trainingProgram,
} from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import { bindAll, relativeError } from './golden-model.js';
import { uniforms } from './random.js';

const kBatch = 5;
const out = { units: 3, name: 'out' };

const models: readonly (readonly [string, Model])[] = [
  [
    'dense layers without a bias, and a bias of its own',
    defineModel({ input: [7], classes: 3 }, (t, x) => {
      const h = t.tanh(t.dense(x, { units: 6, name: 'fc1', bias: false }));
      return t.addBias(t.dense(h, { ...out, bias: false }), t.param('shift', [3], 'bias'));
    }),
  ],
  [
    'a dense layer used three times',
    defineModel({ input: [6], classes: 3 }, (t, x) => {
      const shared = { units: 6, name: 'shared', activation: 'tanh' } as const;
      return t.dense(t.dense(t.dense(t.dense(x, shared), shared), shared), out);
    }),
  ],
  [
    'a convolution used twice, and stride 2',
    defineModel({ input: [2, 7, 7], classes: 3 }, (t, x) => {
      const shared = {
        channels: 2,
        kernel: 3,
        padding: 'same',
        activation: 'sigmoid',
        name: 'shared',
      } as const;
      const c = t.conv2d(t.conv2d(x, shared), shared);
      return t.dense(t.flatten(t.conv2d(c, { channels: 3, kernel: 3, stride: 2, name: 'conv2' })), out);
    }),
  ],
  [
    'a residual connection, so that one delta serves two layers',
    defineModel({ input: [5], classes: 3 }, (t, x) => {
      const a = t.dense(x, { units: 4, name: 'a', activation: 'tanh' });
      const b = t.dense(a, { units: 4, name: 'b' });
      const c = t.dense(a, { units: 4, name: 'c' });
      return t.dense(t.tanh(t.add(t.add(b, c), a)), out);
    }),
  ],
  [
    'a weight stored as [in, out]',
    defineModel({ input: [5], classes: 3 }, (t, x) => {
      return t.dense(t.sigmoid(t.matmul(x, t.param('w', [5, 4]))), out);
    }),
  ],
];

/** Gradients of single examples, each alone in its batch, in float64. */
function singleGradients(model: Model, params: Float32Array, x: Float32Array, y: Int32Array): number[][] {
  const { graph, sinks } = gradientGraph(model, model.graph);
  const named = Object.fromEntries(
    model.spec.entries.map(({ name }) => [name, model.spec.slice(params, name)]),
  );
  const size = model.inputSize;
  return Array.from(y, (label, r) => {
    const feeds = { ...named, input: x.subarray(r * size, (r + 1) * size), labels: [label] };
    const ids = sinks.map((sink) => sink.gradient);
    return interpret(graph, ids, { batch: 1, feeds, scalars: { lossScale: 1 } }).flatMap((g) => [...g]);
  });
}

function run(program: BoundProgram, params: Float32Array, x: Float32Array, y: Int32Array, lr = 0.5) {
  const bindings = bindAll(program, {
    initial: params,
    params: Float32Array.from(params),
    examples: x,
    labels: y,
  });
  const index = Uint32Array.from({ length: kBatch }, (_, i) => i);
  const scalars = startScalars(program, { lr, exampleCount: kBatch });
  runJob(createReference(), { program, bindings, index, epochs: 1, scalars });
  return bindings;
}

describe.each(models)('%s', (_, model) => {
  const params = Float32Array.from(uniforms(model.spec.size, 11), (v) => v * 0.75);
  const x = Float32Array.from(uniforms(kBatch * model.inputSize, 12));
  const y = Int32Array.of(0, 1, 2, 2, 0);
  const singles = singleGradients(model, params, x, y);
  const norms = singles.map((g) => Math.sqrt(g.reduce((sum, v) => sum + v * v, 0)));
  const options = { batchSize: kBatch, examples: { dtype: 'f32' } } as const;
  // Between the second and the third norm: two examples are left alone, three are scaled.
  const sorted = [...norms].sort((a, b) => a - b);
  const maxNorm = (sorted[1] + sorted[2]) / 2;
  const clipped = Float64Array.from(params, (_, i) =>
    singles.reduce((sum, g, r) => sum + (g[i] * Math.min(1, maxNorm / norms[r])) / kBatch, 0),
  );

  it('has the mean of clipped gradients of single examples', () => {
    const program = trainingProgram(model, { ...options, schedule: 'buffered', exampleClip: { maxNorm } });
    expect(relativeError(run(program, params, x, y).gradient, clipped)).toBeLessThan(1e-5);
  });

  it('takes the clipped step directly, weight decay included', () => {
    const program = trainingProgram(model, { ...options, exampleClip: { maxNorm }, weightDecay: 0.25 });
    expect(program.spaces.some((space) => space.name === 'gradient')).toBe(false);
    const expected = clipped.map((g, i) => params[i] - 0.5 * (g + 0.25 * params[i]));
    expect(relativeError(run(program, params, x, y).params, expected)).toBeLessThan(1e-5);
  });

  it('is plain SGD under a bound that no example reaches', () => {
    const loose = trainingProgram(model, { ...options, exampleClip: { maxNorm: 1e6 } });
    const expected = run(trainingProgram(model, options), params, x, y).params;
    expect(relativeError(run(loose, params, x, y).params, expected)).toBeLessThan(2e-6);
  });

  it('has the sum of squared gradients of single examples as its Fisher', () => {
    const { fisher } = run(fisherProgram(model, options), params, x, y);
    const expected = Float64Array.from(params, (_, i) => singles.reduce((sum, g) => sum + g[i] * g[i], 0));
    expect(relativeError(fisher, expected)).toBeLessThan(1e-5);
  });
});

describe('models without gradients of single examples', () => {
  const options = { batchSize: 4, exampleClip: { maxNorm: 1 } };

  it('are refused by the name of the layer that couples examples', () => {
    const attention = defineModel({ input: [6], classes: 3 }, (t, x) => {
      const h = t.dense(x, { units: 4, name: 'embed' });
      const scores = t.softmax(t.matmul(h, h, { transB: true }));
      return t.dense(t.matmul(scores, h), out);
    });
    for (const make of [
      () => trainingProgram(attention, options),
      () => fisherProgram(attention, { batchSize: 4 }),
    ]) {
      expect(make).toThrow(PerExampleError);
      expect(make).toThrow(/layer 'embed' \(.*per-example\.test\.ts:\d+:\d+\): matmul couples the examples/);
    }
    expect(trainingProgram(attention, { batchSize: 4 }).schedule).toBe('interleaved');
  });

  it('are refused where a parameter meets another before the data', () => {
    const lowRank = defineModel({ input: [6], classes: 3 }, (t, x) =>
      t.matmul(x, t.matmul(t.param('up', [3, 2]), t.param('down', [2, 6])), { transB: true }),
    );
    expect(() => trainingProgram(lowRank, options)).toThrow(PerExampleError);
    expect(() => trainingProgram(lowRank, options)).toThrow(/gradient of '(up|down)' is not a sum/);
  });
});
