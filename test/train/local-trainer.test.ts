/** The built-in trainer on every runner: steps, tails, sums, ownership of results, jobs side by side. */
import { afterAll, describe, expect, it } from 'vitest';
import { dataset } from '../../src/data/dataset.js';
import { createReference } from '../../src/kernels/reference.js';
import { compiledWasm, findAddon } from '../../src/kernels/select.js';
import { createWasm } from '../../src/kernels/wasm.js';
import { mlp } from '../../src/nn/zoo.js';
import { compactJob } from '../../src/train/compact.js';
import { programExamples } from '../../src/train/examples.js';
import { createInlineRunner } from '../../src/train/inline-runner.js';
import type { JobRequest, JobRunner } from '../../src/train/job.js';
import { createLocalTrainer, type LocalTrainerOptions } from '../../src/train/local-trainer.js';
import { createNativeRunner } from '../../src/train/native-runner.js';
import type { TrainJob } from '../../src/train/trainer.js';
import { createWorkerRunner } from '../../src/train/worker-runner.js';
import { blobs } from '../federation/fixtures.js';

const model = mlp({ layers: [6, 5, 3], activation: 'tanh' });
const data = blobs({ size: 40 });
const params = model.init(4);
const job = (changes: Partial<TrainJob> = {}): TrainJob => ({
  params,
  spec: model.spec,
  data,
  index: Uint32Array.from({ length: 11 }, (_, i) => 3 * i),
  client: 2,
  round: 1,
  seed: 9,
  lr: 0.1,
  ...changes,
});

const addon = findAddon();
const runners: [string, JobRunner][] = [
  ['reference', createInlineRunner(createReference('plain'))],
  ['wasm', createInlineRunner(await createWasm(await compiledWasm()))],
  ['wasm threads', createWorkerRunner(2, { type: 'wasm', module: await compiledWasm() })],
  ...('addon' in addon
    ? [['native base', createNativeRunner(addon.addon, { workers: 2, isa: 'base' })] as [string, JobRunner]]
    : []),
];
afterAll(() => Promise.all(runners.map(([, runner]) => runner.dispose())));
const trainerOn = (runner: JobRunner, options: Partial<LocalTrainerOptions> = {}) =>
  createLocalTrainer(model, runner, { epochs: 1, batchSize: 4, optimizer: { kind: 'sgd' }, ...options });
const [, reference] = runners[0];

describe.each(runners)('on %s', (_name, runner) => {
  it('counts examples and steps with the short last batch, without it, and over full batches', async () => {
    for (const [options, examples, steps] of [
      [{ epochs: 2 }, 22, 6],
      [{ epochs: 2, dropRemainder: true }, 16, 4],
      [{ batchSize: 'full' }, 11, 1],
      [{ batchSize: 100 }, 11, 1],
      [{ epochs: undefined, steps: 4 }, 15, 4], // 4 + 4 + 3 + 4
    ] as const) {
      const result = await trainerOn(runner, options).train(job());
      expect([result.examples, result.steps]).toEqual([examples, steps]);
      expect(result.update.some((value) => value !== 0)).toBe(true);
    }
  });

  it('gives the bytes of the reference for every optimiser', async () => {
    for (const options of [
      { optimizer: { kind: 'sgd' } },
      { optimizer: { kind: 'sgdm', momentum: 0.9, nesterov: true }, weightDecay: 0.01 },
      { optimizer: { kind: 'adam' } },
      { optimizer: { kind: 'sgd' }, maxGradNorm: 0.2 },
      { optimizer: { kind: 'sgd' }, exampleClip: { maxNorm: 0.1 } },
      { optimizer: { kind: 'sgd' }, terms: [{ name: 'proximal', a: 0.5, center: 'initial' }] },
    ] satisfies Partial<LocalTrainerOptions>[]) {
      const mine = await trainerOn(runner, options).train(job());
      const expected = await trainerOn(reference, options).train(job());
      expect(mine).toEqual(expected);
    }
  });

  it('gives each job a result of its own, and equal results to equal jobs, side by side', async () => {
    const trainer = trainerOn(runner, { epochs: 3, optimizer: { kind: 'adam' } });
    const alone = await trainer.train(job());
    const kept = alone.update.slice();
    const many = await Promise.all(
      Array.from({ length: 12 }, (_, i) => trainer.train(job({ client: i % 3 }))),
    );
    expect(alone.update).toEqual(kept);
    for (const [i, { update }] of many.entries()) {
      expect(update).toEqual(many[i % 3].update);
      expect(update.buffer).not.toBe(many[(i + 3) % 12].update.buffer);
    }
    expect(many[2].update).toEqual(kept);
    expect(many[1].update).not.toEqual(kept);
    expect(params).toEqual(model.init(4));
  });

  it('evaluates sums over the given examples in any batch size', async () => {
    const trainer = trainerOn(runner);
    const index = Uint32Array.from({ length: 40 }, (_, i) => i);
    const whole = await trainer.evaluate(params, data, index, 40);
    const parts = await trainer.evaluate(params, data, index, 7);
    expect(whole.examples).toBe(40);
    expect(parts.examples).toBe(40);
    expect(parts.correct).toBe(whole.correct);
    expect(parts.lossSum).toBeCloseTo(whole.lossSum, 4);
    // A model of zeros says 1/3 to every class.
    const zero = await trainer.evaluate(new Float32Array(params.length), data, index, 10);
    expect(zero.lossSum / 40).toBeCloseTo(Math.log(3), 6);
  });

  it('rejects an aborted job with the reason', async () => {
    const reason = new Error('enough');
    await expect(trainerOn(runner).train(job(), AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

it('exactly one of epochs and steps has to be given', () => {
  for (const options of [{ steps: 3 }, { epochs: undefined }])
    expect(() => trainerOn(reference, options)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
});

describe('a compacted job', () => {
  it('has the rows of its own examples alone, and trains the same', async () => {
    let seen: JobRequest | undefined;
    const spy: JobRunner = {
      workers: 1,
      run: async (request) => {
        seen = request;
        await reference.run(request);
      },
      dispose: async () => {},
    };
    await trainerOn(spy).train(job());
    if (!seen) throw new Error('no job was run');
    const small = compactJob(seen);
    expect(Array.from(small.index)).toEqual([...Array(11).keys()]);
    expect(small.bindings.examples).toEqual(
      Float32Array.from({ length: 66 }, (_, i) => data.x[18 * Math.floor(i / 6) + (i % 6)]),
    );
    expect(Array.from(small.bindings.labels)).toEqual(Array.from({ length: 11 }, (_, i) => data.y[3 * i]));
    expect(seen.bindings.examples).toBe(data.x);
  });
});

describe('programExamples', () => {
  it('leaves plain floats and bytes where they are, and is made once', () => {
    expect(programExamples(data).bindings.examples).toBe(data.x);
    const bytes = dataset({
      x: Uint8Array.of(0, 255, 51, 102),
      shape: [2],
      y: [0, 1],
      classes: 2,
      scale: 1 / 255,
    });
    const made = programExamples(bytes);
    expect(made.bindings.examples).toBe(bytes.x);
    expect(made.format).toEqual({ dtype: 'u8', channels: 1 });
    expect(made.bindings.scales[0]).toBe(Math.fround(1 / 255));
    expect(programExamples(bytes)).toBe(made);
  });

  it('normalises bytes batch by batch to what the data set says of itself', async () => {
    const x = Uint8Array.from({ length: 12 * 12 }, (_, i) => (i * 37) % 256);
    const common = { shape: [3, 2, 2], y: Array.from({ length: 12 }, (_, i) => i % 3), classes: 3 };
    const norm = { scale: 1 / 255, mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 2] };
    const bytes = dataset({ x, ...common, ...norm });
    const floats = dataset({
      ...common,
      x: Float32Array.from(x, (v, i) => {
        const channel = Math.floor((i % 12) / 4);
        return (v / 255 - norm.mean[channel]) / norm.std[channel];
      }),
    });
    const net = mlp({ layers: [12, 3] });
    const flat = (set: typeof bytes) =>
      createLocalTrainer(net, reference, { epochs: 2, batchSize: 4, optimizer: { kind: 'sgd' } }).train({
        ...job({ params: net.init(1), spec: net.spec, index: Uint32Array.from({ length: 12 }, (_, i) => i) }),
        data: set,
      });
    const [one, other] = [await flat(bytes), await flat(floats)];
    for (let i = 0; i < one.update.length; i++) expect(one.update[i]).toBeCloseTo(other.update[i], 5);
  });
});
