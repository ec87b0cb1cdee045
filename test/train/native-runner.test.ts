import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { createReference } from '../../src/kernels/reference.js';
import { findAddon } from '../../src/kernels/select.js';
import { mlp } from '../../src/nn/zoo.js';
import { runJob } from '../../src/program/execute.js';
import { trainingProgram } from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import { encodeJobProgram } from '../../src/program/tape.js';
import type { JobRequest } from '../../src/train/job.js';
import { createNativeRunner } from '../../src/train/native-runner.js';
import { bindAll } from '../program/golden-model.js';
import { uniforms } from '../program/random.js';

const found = findAddon();
const model = mlp({ layers: [9, 18, 4] });
const count = 13;
const program = trainingProgram(model, { batchSize: 5, tailSize: 3, examples: { dtype: 'f32' } });
const examples = Float32Array.from(uniforms(count * 9, 1));

function job(seed: number, changes: Partial<JobRequest> = {}): JobRequest {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 4);
  return {
    program,
    bindings: bindAll(program, { examples, labels, initial: model.init(seed) }),
    index: Uint32Array.from({ length: count }, (_, i) => i),
    epochs: 3,
    shuffle: { key0: seed, key1: 2 },
    scalars: startScalars(program, { lr: 0.25, exampleCount: count }),
    ...changes,
  };
}

if (!('addon' in found)) it.skip('native runner: not built on this machine, see `heddle doctor`', () => {});

describe.runIf('addon' in found)('native runner', () => {
  const addon = 'addon' in found ? found.addon : undefined;
  if (!addon) return;
  const { name, profile } = addon.levels().filter((level) => level.runsHere)[0];
  const runner = createNativeRunner(addon, { workers: 3, isa: name });
  afterAll(() => runner.dispose());

  it('runs many jobs at once, each as if it were alone', async () => {
    const jobs = Array.from({ length: 40 }, (_, seed) => job(seed));
    await Promise.all(jobs.map((each) => runner.run(each)));
    const reference = createReference(profile);
    for (const [seed, each] of jobs.entries()) {
      const alone = job(seed);
      runJob(reference, alone);
      expect(each.bindings.params).toEqual(alone.bindings.params);
      expect(each.bindings.totals).toEqual(alone.bindings.totals);
    }
  });

  it('ends after a number of steps', async () => {
    const short = job(1, { steps: 4 });
    await runner.run(short);
    // 5, 5 and 3 examples in the first pass, 5 in the second.
    expect(short.bindings.totals[2]).toBe(18);
  });

  it('rejects with the reason of a signal, before and while a job runs', async () => {
    await expect(runner.run(job(1), AbortSignal.abort(new Error('too early')))).rejects.toThrow('too early');
    const controller = new AbortController();
    const long = runner.run(job(1, { epochs: 100_000_000 }), controller.signal);
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await expect(long).rejects.toThrow('enough');
  });

  it('names what does not fit', async () => {
    const { bindings } = job(1);
    const cases: [Partial<JobRequest>, string][] = [
      [{ bindings: { ...bindings, params: new Float32Array(3) } }, 'ERR_JOB_BINDING'],
      [{ bindings: { ...bindings, params: new Float64Array(1000) } }, 'ERR_DTYPE'],
      [{ bindings: { ...bindings, params: bindings.initial } }, 'ERR_JOB_BINDING'],
      [{ bindings: { ...bindings, labels: new Int32Array(count).fill(4) } }, 'ERR_INDEX_RANGE'],
      [{ bindings: { ...bindings, labels: new Int32Array(count).fill(-1) } }, 'ERR_INDEX_RANGE'],
      [{ bindings: { ...bindings, examples: examples.subarray(0, 20) } }, 'ERR_SHAPE_MISMATCH'],
      [{ index: Uint32Array.of(0, 1, 2, 3, count) }, 'ERR_INDEX_RANGE'],
      [{ scalars: [1] }, 'ERR_JOB_BINDING'],
    ];
    for (const [changes, code] of cases)
      await expect(runner.run(job(1, changes)), code).rejects.toMatchObject({ code });
  });

  it('refuses an encoded program that was cut or changed', () => {
    const native = addon as unknown as {
      compileProgram(words: Float64Array, level: string, fastPaths: boolean): unknown;
    };
    const words = encodeJobProgram(program);
    expect(() => native.compileProgram(words, name, true)).not.toThrow();
    for (let cut = 0; cut < words.length; cut += 7)
      expect(() => native.compileProgram(words.slice(0, cut), name, true)).toThrow(/encoded program/);
    const version = Float64Array.from(words, (word, i) => (i === 1 ? 99 : word));
    expect(() => native.compileProgram(version, name, true)).toThrow(/version/);
    expect(() => native.compileProgram(words, 'abacus', true)).toThrow(/level/);
  });

  it('rejects the jobs of a pool that is closed', async () => {
    const closing = createNativeRunner(addon, { workers: 1, isa: name });
    const jobs = [1, 2, 3].map((seed) => closing.run(job(seed, { epochs: 100_000_000 })));
    const outcomes = Promise.allSettled(jobs);
    await closing.dispose();
    await closing.dispose();
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ reason: { code: 'ERR_POOL_CLOSED' } });
    await expect(closing.run(job(1))).rejects.toMatchObject({ code: 'ERR_POOL_CLOSED' });
  });

  it('lets a worker thread end while its jobs run', async () => {
    const source = `
      const { workerData, parentPort } = require('node:worker_threads');
      const addon = require(workerData.path);
      const pool = addon.createPool(2);
      const program = addon.compileProgram(workerData.words, workerData.level, true);
      const options = { epochs: 4294967296, scalars: new Float64Array(workerData.scalars) };
      for (let i = 0; i < 4; i++) addon.runJob(pool, program, workerData.spaces, workerData.index, options);
      parentPort.postMessage('started');`;
    const { bindings, index, scalars } = job(1);
    const spaces = program.spaces.map((space) => bindings[space.name] ?? null);
    const path = 'path' in found ? found.path : '';
    const workerData = { path, words: encodeJobProgram(program), level: name, spaces, index, scalars };
    const worker = new Worker(source, { eval: true, workerData });
    await new Promise((resolve) => worker.once('message', resolve));
    expect(await worker.terminate()).toBe(1);
    // The addon still serves this thread.
    await runner.run(job(2));
  });
});
