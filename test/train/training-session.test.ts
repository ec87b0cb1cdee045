/** Sessions for models outside of a federation, against the trainer they are made of. */
import { getEventListeners } from 'node:events';
import { afterAll, describe, expect, it } from 'vitest';
import { InvalidArgumentError, ShapeMismatchError } from '../../src/errors.js';
import { createReference } from '../../src/kernels/reference.js';
import { mlp } from '../../src/nn/zoo.js';
import { ModelTensorError, paramsOfTensors, paramTensors } from '../../src/tensor/safetensors/param-model.js';
import { createInlineRunner } from '../../src/train/inline-runner.js';
import { createLocalTrainer } from '../../src/train/local-trainer.js';
import { openTrainingSession } from '../../src/train/training-session.js';
import { blobs } from '../federation/fixtures.js';

const model = mlp({ layers: [6, 5, 3], activation: 'tanh' });
const data = blobs({ size: 60 });
const index = Uint32Array.from({ length: data.size }, (_, i) => i);

describe('a training session', async () => {
  const session = await openTrainingSession(model, { backend: 'reference', profile: 'plain' });
  afterAll(() => session.dispose());

  it('adds the update of the trainer to the start values', async () => {
    const start = model.init(3);
    const trained = await session.train(data, { params: start, epochs: 2, lr: 0.2, seed: 5 });
    const trainer = createLocalTrainer(model, createInlineRunner(createReference('plain')), {
      epochs: 2,
      batchSize: 10,
    });
    const job = { params: start, spec: model.spec, data, index, client: 0, round: 0, seed: 5, lr: 0.2 };
    const { update } = await trainer.train(job);
    expect(trained).toEqual(update.map((value, i) => start[i] + value));
    expect(start).toEqual(model.init(3));
  });

  it('lowers the loss, and judges parts of the data', async () => {
    const before = await session.evaluate(model.init(0), data);
    const params = await session.train(data, { epochs: 30, lr: 0.3 });
    const after = await session.evaluate(params, data);
    expect(after.loss).toBeLessThan(before.loss / 2);
    const halves = await Promise.all(
      [index.subarray(0, 30), index.subarray(30)].map((part) =>
        session.evaluate(params, data, { index: part }),
      ),
    );
    expect((halves[0].accuracy + halves[1].accuracy) / 2).toBeCloseTo(after.accuracy, 12);
    expect((halves[0].loss + halves[1].loss) / 2).toBeCloseTo(after.loss, 6);
  });

  it('refuses values of another model', async () => {
    await expect(session.train(data, { params: new Float32Array(7) })).rejects.toThrow(InvalidArgumentError);
  });
});

describe('a session on every back end that is here', () => {
  it('listens to a signal once or twice for all jobs, so that Node suspects no leak', async () => {
    const open = await openTrainingSession(model);
    const { signal } = new AbortController();
    const judged = open.evaluate(model.init(1), data, { batchSize: 2, signal });
    expect(getEventListeners(signal, 'abort').length).toBeLessThan(3);
    await judged;
    await open.dispose();
  });
});

describe('parameters as tensors', () => {
  it('come back as they were', () => {
    const params = model.init(8);
    const flat = paramTensors(model.spec, params);
    expect([...flat.tensors.keys()]).toEqual(['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']);
    expect(flat.tensors.get('fc2.weight')?.shape).toEqual([3, 5]);
    expect(paramsOfTensors(model.spec, flat)).toEqual(params);
  });

  it('are refused where one is missing or of another shape', () => {
    const flat = paramTensors(model.spec, model.init(8));
    const without = new Map(flat.tensors);
    without.delete('fc1.bias');
    expect(() => paramsOfTensors(model.spec, { tensors: without })).toThrow(ModelTensorError);
    const other = mlp({ layers: [6, 4, 3] });
    expect(() => paramsOfTensors(other.spec, flat)).toThrow(ShapeMismatchError);
  });
});
