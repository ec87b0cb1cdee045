import { describe, expect, it } from 'vitest';
import { permutationU32 } from '../../src/kernels/reference/permutation.js';
import { createReference } from '../../src/kernels/reference.js';
import { availableBackends } from '../../src/kernels/select.js';
import { cifar10Cnn, mlp } from '../../src/nn/zoo.js';
import { type ExecutableJob, JobBindingError, JobExecutor, runJob } from '../../src/program/execute.js';
import { interpret } from '../../src/program/interpret.js';
import { defineModel } from '../../src/program/model.js';
import { evaluationProgram, gradientGraph, trainingProgram } from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import { bindAll, relativeError } from './golden-model.js';
import { uniforms } from './random.js';

const kernels = createReference();
const model = mlp({ layers: [6, 5, 3] });
const count = 11;
const examples = Float32Array.from(uniforms(count * 6, 1));
const labels = Int32Array.from({ length: count }, (_, i) => (i * 5) % 3);
const initial = model.init(4);
const f32Examples = { dtype: 'f32' } as const;
const program = trainingProgram(model, { batchSize: 4, tailSize: 3, examples: f32Examples });

function job(changes: Partial<ExecutableJob> = {}): ExecutableJob {
  return {
    program,
    bindings: bindAll(program, { examples, labels, initial }),
    index: Uint32Array.from({ length: count }, (_, i) => i),
    epochs: 1,
    scalars: startScalars(program, { lr: 0.25, exampleCount: count }),
    ...changes,
  };
}

function paramsAfter(changes: Partial<ExecutableJob>): Float32Array {
  const run = job(changes);
  runJob(kernels, run);
  return run.bindings.params as Float32Array;
}

describe('runJob', () => {
  it('visits examples in the order of the addressed permutation of each epoch', () => {
    const shuffle = { key0: 3, key1: 4 };
    const orders = [0, 1].map((epoch) => {
      const order = new Uint32Array(count);
      permutationU32(order, shuffle.key0, shuffle.key1, epoch, 0);
      return order;
    });
    const shuffled = paramsAfter({ epochs: 2, shuffle });
    // The same visits by hand: one epoch after the other in index order, from where the first ended.
    const first = paramsAfter({ index: orders[0] });
    const second = job({
      index: orders[1],
      bindings: bindAll(program, { examples, labels, initial: first }),
    });
    runJob(kernels, second);
    expect(shuffled).toEqual(second.bindings.params);
    expect(shuffled).not.toEqual(paramsAfter({ epochs: 2 }));
  });

  it('refuses one array, or parts of one, for a space that is written and another', () => {
    const bindings = bindAll(program, { examples, labels, initial });
    const both = new Float32Array(model.spec.size + 1);
    for (const params of [bindings.initial, both.subarray(1)]) {
      const shared = {
        ...bindings,
        initial: params === bindings.initial ? params : both.subarray(0, -1),
        params,
      };
      expect(() => runJob(kernels, job({ bindings: shared }))).toThrow(JobBindingError);
    }
    // Neighbours in one buffer are two arrays.
    const two = new Float32Array(2 * model.spec.size);
    two.set(initial);
    const apart = {
      ...bindings,
      initial: two.subarray(0, model.spec.size),
      params: two.subarray(model.spec.size),
    };
    runJob(kernels, job({ bindings: apart }));
    expect(apart.params).toEqual(paramsAfter({}));
  });

  it('trains on the examples that the index names, and leaves the others alone', () => {
    const poisoned = Float32Array.from(examples);
    poisoned.fill(Number.NaN, 0, 6);
    const index = Uint32Array.of(7, 3, 1, 10);
    const clean = paramsAfter({ index });
    expect(
      paramsAfter({ index, bindings: bindAll(program, { examples: poisoned, labels, initial }) }),
    ).toEqual(clean);
    expect(clean).not.toEqual(initial);
  });

  it('runs the tail for a last batch of its size only', () => {
    const totals = (n: number) => {
      const run = job({ index: Uint32Array.from({ length: n }, (_, i) => i) });
      runJob(kernels, run);
      return run.bindings.totals[2];
    };
    expect([3, 4, 7, 8, 10, 11].map(totals)).toEqual([3, 4, 7, 8, 8, 11]);
  });

  it('stops after a number of steps, or when it is told to', () => {
    expect(paramsAfter({ steps: 1, epochs: 5 })).toEqual(paramsAfter({ index: Uint32Array.of(0, 1, 2, 3) }));
    expect(paramsAfter({ steps: 0 })).toEqual(initial);
    const run = job({ epochs: 100 });
    let asked = 0;
    runJob(kernels, run, { shouldStop: () => ++asked > 4 });
    expect(run.bindings.totals[2]).toBeLessThan(count * 2);
    expect(run.bindings.totals[2]).toBeGreaterThan(0);
  });

  it('writes the difference from the start to delta', () => {
    const run = job();
    runJob(kernels, run);
    const { params, delta } = run.bindings;
    expect([...delta]).toEqual(Array.from(params, (w, i) => Math.fround(w - initial[i])));
    expect(run.bindings.initial).toEqual(model.init(4));
  });

  it('adds to the totals of earlier jobs', () => {
    const run = job();
    runJob(kernels, run);
    const once = run.bindings.totals[0];
    runJob(kernels, run);
    expect(run.bindings.totals[0]).toBeCloseTo(2 * once, 10);
  });

  it.each<[string, Partial<ExecutableJob>, RegExp]>([
    ['a space that is not bound', { bindings: {} }, /binds nothing to space 'params'/],
    [
      'an array that is too short',
      { bindings: { ...job().bindings, delta: new Float32Array(3) } },
      /space 'delta' needs 53 elements, bound are 3/,
    ],
    [
      'an array of another type',
      { bindings: { ...job().bindings, labels: new Uint8Array(count) } },
      /space 'labels' is i32, bound is a Uint8Array/,
    ],
    ['scalars that are missing', { scalars: [] }, /the job gives 0/],
  ])('refuses %s', (_, changes, message) => {
    expect(() => runJob(kernels, job(changes))).toThrow(JobBindingError);
    expect(() => runJob(kernels, job(changes))).toThrow(message);
  });
});

describe('normalised bytes', () => {
  it('are the same training as the floats they stand for', () => {
    const net = defineModel({ input: [2, 3, 3], classes: 3 }, (t, x) =>
      t.dense(t.flatten(x), { units: 3, name: 'fc' }),
    );
    const bytes = Uint8Array.from({ length: 4 * 18 }, (_, i) => (i * 37) % 256);
    const scales = Float32Array.of(1 / 256, 1 / 64);
    const shifts = Float32Array.of(-0.5, 0.25);
    const floats = Float32Array.from(
      bytes,
      (b, i) => b * scales[Math.floor(i / 9) % 2] + shifts[Math.floor(i / 9) % 2],
    );
    const y = Int32Array.of(0, 1, 2, 0);
    const results = [
      trainingProgram(net, { batchSize: 4 }),
      trainingProgram(net, { batchSize: 4, examples: f32Examples }),
    ].map((bound, i) => {
      const bindings = bindAll(bound, {
        examples: i ? floats : bytes,
        labels: y,
        initial: net.init(1),
        scales,
        shifts,
      });
      const scalars = startScalars(bound, { lr: 0.5, exampleCount: 4 });
      runJob(kernels, { program: bound, bindings, index: Uint32Array.of(0, 1, 2, 3), epochs: 3, scalars });
      return bindings.params;
    });
    expect(results[0]).toEqual(results[1]);
  });
});

describe('dropout', () => {
  const net = defineModel({ input: [6], classes: 3 }, (t, x) => {
    const h = t.dropout(t.dense(x, { units: 8, activation: 'tanh', name: 'fc1' }), 0.25);
    return t.dense(t.dropout(h, 0.5), { units: 3, name: 'fc2' });
  });
  const bound = trainingProgram(net, { batchSize: 4, examples: f32Examples });
  const dropoutKey = { key0: 21, key1: 22 };
  const start = net.init(2);

  function train(epochs: number, key = dropoutKey): Float32Array {
    const bindings = bindAll(bound, { examples, labels, initial: start });
    const scalars = startScalars(bound, { lr: 0.5, exampleCount: count, dropoutKey: key });
    runJob(kernels, { program: bound, bindings, index: Uint32Array.of(0, 1, 2, 3), epochs, scalars });
    return bindings.params as Float32Array;
  }

  it('is addressed by key, step and site: two steps follow the float64 interpreter', () => {
    const { graph, sinks } = gradientGraph(net, net.graph);
    const weights = Float64Array.from(start);
    for (let step = 0; step < 2; step++) {
      const named = Object.fromEntries(
        net.spec.entries.map(({ name }) => [name, net.spec.slice(weights, name)]),
      );
      const feeds = { ...named, input: examples.subarray(0, 24), labels: labels.subarray(0, 4) };
      const ids = sinks.map((sink) => sink.gradient);
      const random = { ...dropoutKey, step };
      const gradients = interpret(graph, ids, { batch: 4, feeds, random, scalars: { lossScale: 0.25 } });
      sinks.forEach(({ name }, k) => {
        const slice = net.spec.slice(weights, name);
        for (let i = 0; i < slice.length; i++) slice[i] -= 0.5 * gradients[k][i];
      });
    }
    expect(relativeError(train(2), weights)).toBeLessThan(2e-6);
    expect(train(2, { key0: 1, key1: 22 })).not.toEqual(train(2));
  });

  it('does nothing in evaluation', () => {
    const evaluation = evaluationProgram(cifar10Cnn(), { batchSize: 2 });
    expect(evaluation.full.ops.some((op) => op.kernel === 'dropoutF32')).toBe(false);
    expect(evaluation.scalars.map((scalar) => scalar.name)).toEqual(['exampleCount']);
  });

  it('asks for a key', () => {
    expect(() => startScalars(bound, { lr: 0.5, exampleCount: count })).toThrow(/dropoutKey/);
  });
});

describe('JobExecutor', () => {
  it('gives the same bytes in memory that it has used before', async () => {
    const backends = (await availableBackends()).filter((each) => each.profile === 'plain');
    expect(backends.map((each) => each.backend)).toContain('wasm');
    const clip = trainingProgram(model, {
      batchSize: 4,
      tailSize: 3,
      examples: f32Examples,
      exampleClip: { maxNorm: 0.5 },
    });
    const evaluation = evaluationProgram(model, { batchSize: 4, tailSize: 3, examples: f32Examples });
    for (const bound of [program, clip, evaluation]) {
      const outputs = (executor: JobExecutor) => {
        const params = evaluation === bound ? initial : new Float32Array(initial.length);
        const bindings = bindAll(bound, { examples, labels, initial, params });
        const scalars = startScalars(bound, { lr: 0.25, exampleCount: count });
        executor.run({
          ...job(),
          program: bound,
          bindings,
          scalars,
          epochs: 2,
          shuffle: { key0: 1, key1: 2 },
        });
        return [bindings.params, bindings.delta, bindings.totals];
      };
      const expected = outputs(new JobExecutor(kernels));
      for (const backend of backends) {
        const executor = new JobExecutor(backend);
        for (let run = 0; run < 3; run++) expect(outputs(executor)).toEqual(expected);
        executor.dispose();
      }
    }
  });

  it('uses resident data in place', async () => {
    for (const backend of await availableBackends()) {
      if (backend.backend !== 'wasm') continue;
      const resident = backend.alloc(examples.length);
      resident.view().set(examples);
      const run = job();
      runJob(backend, run, { resident: new Map([[examples, resident]]) });
      expect(run.bindings.params).toEqual(paramsAfter({}));
      resident.dispose();
    }
  });
});
