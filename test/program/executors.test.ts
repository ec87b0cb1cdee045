/** The C++ executor against the TypeScript one: the same tapes, the same bits. */
import { createHash } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import type { AnyArray } from '../../src/kernels/buffer.js';
import type { Profile } from '../../src/kernels/kernels.js';
import { createReference } from '../../src/kernels/reference.js';
import { findAddon } from '../../src/kernels/select.js';
import { cifar10Cnn, mlp, mnistCnn } from '../../src/nn/zoo.js';
import { graphProgram } from '../../src/program/bind-graph.js';
import { type ExecutableJob, runJob } from '../../src/program/execute.js';
import { jvp } from '../../src/program/jvp.js';
import type { Model } from '../../src/program/model.js';
import {
  type BoundProgram,
  evaluationProgram,
  fisherProgram,
  gradientGraph,
  type TrainingOptions,
  trainingProgram,
} from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import { encodeJobProgram, type JobProgram } from '../../src/program/tape.js';
import { createNativeRunner } from '../../src/train/native-runner.js';
import { bindAll, goldenCases, goldenModel, readGolden } from './golden-model.js';
import { buildCase, kCaseBatch, primitiveCases } from './primitive-cases.js';
import { uniforms } from './random.js';

const found = findAddon();
const levels = 'addon' in found ? found.addon.levels().filter((level) => level.runsHere) : [];
const written = new Set(['slot', 'gradient', 'state', 'totals']);

/** Hashes of everything that a job wrote, by space. */
function outputs({ program, bindings }: ExecutableJob): Record<string, string> {
  const spaces = program.spaces.filter((space) => written.has(space.role));
  return Object.fromEntries(
    spaces.map(({ name }) => {
      const { buffer, byteOffset, byteLength } = bindings[name];
      const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
      return [name, createHash('sha256').update(bytes).digest('hex')];
    }),
  );
}

const references = { plain: createReference('plain'), fma: createReference('fma') };
const known = new Map<string, Record<string, string>>();

/** What the TypeScript executor makes of a job; computed once for a profile, as several levels share it. */
function referenceOutputs(profile: Profile, job: ExecutableJob): Record<string, string> {
  const words = createHash('sha256')
    .update(new Uint8Array(encodeJobProgram(job.program).buffer))
    .digest('hex');
  const key = `${profile} ${words} ${job.index.length}`;
  let result = known.get(key);
  if (!result) {
    runJob(references[profile], job);
    result = outputs(job);
    known.set(key, result);
  }
  return result;
}

const kOptions: readonly (readonly [string, Partial<TrainingOptions>])[] = [
  ['plain SGD', {}],
  ['plain SGD with weight decay', { weightDecay: 0.0625 }],
  ['buffered SGD with a clip', { schedule: 'buffered', maxGradNorm: 0.25 }],
  [
    'Nesterov momentum',
    { optimizer: { kind: 'sgdm', momentum: 0.875, nesterov: true }, weightDecay: 0.03125 },
  ],
  [
    'Adam with terms and a mask',
    { optimizer: { kind: 'adam' }, mask: true, terms: [{ name: 't', a: 0.5, v: true }] },
  ],
  ['clipped SGD', { exampleClip: { maxNorm: 0.5 } }],
  ['clipped Adam', { exampleClip: { maxNorm: 0.5 }, optimizer: { kind: 'adam' } }],
];

const starts = new WeakMap<Model, Float32Array>();

function startOf(model: Model): Float32Array {
  const values = starts.get(model) ?? model.init(5);
  starts.set(model, values);
  return Float32Array.from(values);
}

function trainingJob(model: Model, program: BoundProgram, count: number): ExecutableJob {
  const size = model.spec.size;
  const given: Record<string, AnyArray> = {
    initial: startOf(model),
    params: startOf(model),
    examples: Uint8Array.from(uniforms(count * model.inputSize, 6), (v) => (v < 0 ? 0 : Math.floor(v * 255))),
    labels: Int32Array.from({ length: count }, (_, i) => (i * 7) % model.classes),
    mask: Uint8Array.from({ length: size }, (_, i) => Number(i % 5 > 0)),
    't.v': Float32Array.from({ length: size }, (_, i) => ((i % 7) - 3) / 64),
  };
  const bindings = bindAll(program, given);
  if (bindings.scales) (bindings.scales as Float32Array).fill(1 / 255);
  const scalars = startScalars(program, { lr: 0.125, exampleCount: count, dropoutKey: { key0: 8, key1: 9 } });
  const index = Uint32Array.from({ length: count }, (_, i) => i);
  return { program, bindings, index, epochs: 2, shuffle: { key0: 2, key1: 3 }, scalars };
}

function graphJob(program: JobProgram, feeds: Record<string, AnyArray>): ExecutableJob {
  const bindings = Object.fromEntries(
    program.spaces
      .filter((space) => space.role !== 'arena')
      .map(({ name, length, dtype }, i) => {
        const values = feeds[name] ?? uniforms(length, 60 + i).map((v) => 0.7 + v / 2);
        const labels = Int32Array.from({ length }, (_, row) => row % 3);
        return [name, dtype === 'i32' ? labels : Float32Array.from(values)];
      }),
  );
  const start: Record<string, number> = { key0: 5, key1: 6, step: 1, lossScale: 0.5 };
  const scalars = program.scalars.map(({ name }) => start[name]);
  return { program, bindings, index: new Uint32Array(0), epochs: 1, scalars };
}

if (levels.length === 0) it.skip('native executor: not built on this machine, see `heddle doctor`', () => {});

describe.each(levels.map((level) => [level.name, level] as const))('native %s', (name, { profile }) => {
  const addon = 'addon' in found ? found.addon : undefined;
  if (!addon) throw new Error('levels without an addon');
  const runners = [true, false].map((fastPaths) =>
    createNativeRunner(addon, { workers: 1, isa: name, fastPaths }),
  );
  afterAll(async () => {
    for (const runner of runners) await runner.dispose();
  });

  async function expectSameBits(make: () => ExecutableJob): Promise<void> {
    const first = make();
    const expected = referenceOutputs(profile, first);
    for (const runner of runners) {
      const job = make();
      await runner.run(job);
      expect(outputs(job)).toEqual(expected);
    }
  }

  describe.each(goldenCases)('%s', (golden) => {
    const model = goldenModel(readGolden(golden));
    const sizes = { batchSize: 4, tailSize: 3 };
    it.each(kOptions)('%s', async (_, options) => {
      const program = trainingProgram(model, { ...sizes, ...options });
      await expectSameBits(() => trainingJob(model, program, 11));
    });

    it('evaluation and Fisher', async () => {
      for (const program of [evaluationProgram(model, sizes), fisherProgram(model, sizes)])
        await expectSameBits(() => trainingJob(model, program, 11));
    });

    it('tangents of every gradient', async () => {
      const { graph, sinks } = gradientGraph(model, model.graph);
      const leaves = [model.nodes.input, ...sinks.map((sink) => sink.param)];
      const second = jvp(
        graph,
        sinks.map((sink) => sink.gradient),
        leaves,
      );
      const all = second.tangents.map((id, i) => [`out${i}`, id ?? -1]);
      const program = graphProgram(second.graph, { batch: 4, outputs: Object.fromEntries(all) });
      await expectSameBits(() => graphJob(program, {}));
    });
  });

  // The real layer sizes meet the tuned paths that small ones miss; few steps, as the reference is slow.
  it.each([
    ['2NN', mlp(), 33],
    ['MNIST CNN', mnistCnn(), 4],
    ['CIFAR-10 CNN with dropout', cifar10Cnn(), 2],
  ] as const)('%s at full size', async (_, model, count) => {
    const batchSize = Math.min(10, count - 1);
    for (const options of [{}, { exampleClip: { maxNorm: 0.5 } }]) {
      const program = trainingProgram(model, { batchSize, tailSize: count % batchSize, ...options });
      await expectSameBits(() => ({ ...trainingJob(model, program, count), epochs: 1 }));
    }
  });

  it.each(primitiveCases.map((each) => [each.name, each] as const))('%s', async (_, primitiveCase) => {
    const { graph, output } = buildCase(primitiveCase);
    const program = graphProgram(graph, { batch: kCaseBatch, outputs: { out: output } });
    await expectSameBits(() => graphJob(program, {}));
  });
});
