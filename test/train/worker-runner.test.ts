import { afterEach, describe, expect, it } from 'vitest';
import { dataset } from '../../src/data/dataset.js';
import { sharedF32 } from '../../src/data/shared-memory.js';
import { createReference } from '../../src/kernels/reference.js';
import { compiledWasm } from '../../src/kernels/select.js';
import { mlp } from '../../src/nn/zoo.js';
import { platform } from '../../src/platform/node.js';
import type { WorkerHandle } from '../../src/platform/platform.js';
import { runJob } from '../../src/program/execute.js';
import { trainingProgram } from '../../src/program/programs.js';
import { startScalars } from '../../src/program/scalars.js';
import { createInlineRunner } from '../../src/train/inline-runner.js';
import type { JobRequest, SpaceArray } from '../../src/train/job.js';
import { createLocalTrainer } from '../../src/train/local-trainer.js';
import { useWorkers } from '../../src/train/worker-pool.js';
import type { WorkerReply, WorkerTask } from '../../src/train/worker-protocol.js';
import { createWorkerRunner } from '../../src/train/worker-runner.js';

interface ObservedThread {
  readonly tasks: WorkerTask[];
  readonly replies: WorkerReply[];
  readonly handle: WorkerHandle;
}

/** Real threads whose messages can be looked at. */
function observedThreads(): ObservedThread[] {
  const threads: ObservedThread[] = [];
  useWorkers(() => {
    const handle = platform.createWorker();
    const thread: ObservedThread = { tasks: [], replies: [], handle };
    threads.push(thread);
    return {
      ...handle,
      post: (message, transfer) => {
        thread.tasks.push(message as WorkerTask);
        handle.post(message, transfer);
      },
      onMessage: (listener) =>
        handle.onMessage((message) => {
          thread.replies.push(message as WorkerReply);
          listener(message);
        }),
    };
  });
  return threads;
}
afterEach(() => useWorkers(() => platform.createWorker()));

const model = mlp({ layers: [6, 5, 3] });
const kExamples = 9;

/** Where the arrays of a job lie. */
type Memory = 'shared' | 'own';

function makeJob(memory: Memory, batchSize = 4): JobRequest {
  const program = trainingProgram(model, { batchSize, tailSize: 7 % batchSize, examples: { dtype: 'f32' } });
  const f32 = (values: ArrayLike<number>): Float32Array => {
    const array = memory === 'shared' ? sharedF32(values.length) : new Float32Array(values.length);
    array.set(values);
    return array;
  };
  const labels = Int32Array.from({ length: kExamples }, (_, i) => i % 3);
  const sharedLabels = new Int32Array(new SharedArrayBuffer(labels.byteLength));
  sharedLabels.set(labels);
  const bindings: Record<string, SpaceArray> = {
    params: f32(new Float32Array(model.spec.size)),
    initial: f32(model.init(3)),
    delta: f32(new Float32Array(model.spec.size)),
    examples: f32(Array.from({ length: kExamples * 6 }, (_, i) => ((i * 7) % 11) / 11 - 0.3)),
    labels: memory === 'shared' ? sharedLabels : labels,
    totals: new Float64Array(3),
  };
  return {
    program,
    bindings,
    index: Uint32Array.from([8, 1, 2, 0, 5, 7, 3]),
    epochs: 2,
    shuffle: { key0: 5, key1: 6 },
    scalars: startScalars(program, { lr: 0.25, exampleCount: kExamples }),
    results: ['delta', 'totals'],
  };
}

/** What the job writes when it runs on this thread with nothing in between. */
function expected(make: () => JobRequest): Pick<JobRequest['bindings'], 'delta' | 'totals'> {
  const job = make();
  runJob(createReference('plain'), job);
  return { delta: job.bindings.delta, totals: job.bindings.totals };
}

const wasmSetup = async (): Promise<WorkerTask> => ({ type: 'wasm', module: await compiledWasm() });
const jobTasks = ({ tasks }: ObservedThread) => tasks.flatMap((task) => (task.type === 'job' ? [task] : []));

describe('worker runner', () => {
  it.each(['shared', 'own'] as const)(
    'gives the bits of this thread, arrays in %s memory',
    async (memory) => {
      const want = expected(() => makeJob(memory));
      const runner = createWorkerRunner(2, await wasmSetup());
      const jobs = [makeJob(memory), makeJob(memory), makeJob(memory)];
      await Promise.all(jobs.map((job) => runner.run(job)));
      for (const { bindings } of jobs) {
        expect(Array.from(bindings.delta)).toEqual(Array.from(want.delta));
        expect(bindings.totals).toEqual(want.totals);
      }
      await runner.dispose();
    },
  );

  it('sends a program once to a thread', async () => {
    const threads = observedThreads();
    const runner = createWorkerRunner(1, await wasmSetup());
    const [first, other] = [makeJob('shared'), makeJob('shared', 3)];
    for (const job of [first, { ...makeJob('shared'), program: first.program }, other, first])
      await runner.run(job);
    const sent = jobTasks(threads[0]);
    expect(sent.map(({ program }) => program)).toEqual([0, 0, 1, 0]);
    expect(sent.map(({ definition }) => definition !== undefined)).toEqual([true, false, true, false]);
    await runner.dispose();
  });

  it('sends a program again to the thread that replaces one that crashed', async () => {
    const want = expected(() => makeJob('shared'));
    const threads = observedThreads();
    const runner = createWorkerRunner(1, await wasmSetup());
    const first = makeJob('shared');
    await runner.run(first);
    await threads[0].handle.terminate();
    const second = { ...makeJob('shared'), program: first.program };
    await runner.run(second);
    expect(threads).toHaveLength(2);
    expect(jobTasks(threads[1]).map(({ definition }) => definition)).toEqual([first.program]);
    expect(Array.from(second.bindings.delta)).toEqual(Array.from(want.delta));
    await runner.dispose();
  });

  it('sends neither scratch nor, where memory is shared, anything back', async () => {
    const threads = observedThreads();
    const runner = createWorkerRunner(1, await wasmSetup());
    const job = makeJob('shared');
    job.bindings.params.fill(7);
    await runner.run(job);
    const [{ job: sent }] = jobTasks(threads[0]);
    expect(Object.keys(sent.bindings).sort()).toEqual(['delta', 'examples', 'initial', 'labels', 'totals']);
    expect(sent.bindings.delta.buffer).toBe(job.bindings.delta.buffer);
    expect(sent.bindings.examples.buffer).toBe(job.bindings.examples.buffer);
    const reply = threads[0].replies.at(-1);
    expect(Object.keys(reply && 'result' in reply ? (reply.result ?? {}) : {})).toEqual(['totals']);
    expect(job.bindings.params.every((value) => value === 7)).toBe(true);
    await runner.dispose();
  });

  it('writes every space back that a job without `results` writes', async () => {
    const runner = createWorkerRunner(1, await wasmSetup());
    const { results: _, ...job } = makeJob('own');
    await runner.run(job);
    const { params, initial, delta } = job.bindings;
    expect(Array.from(params).some((value) => value !== 0)).toBe(true);
    expect(Array.from(delta)).toEqual(Array.from(params, (value, i) => Math.fround(value - initial[i])));
    await runner.dispose();
  });
});

describe('evaluation', () => {
  it('gives the same sums on any number of threads, the last batch short', async () => {
    const size = 75;
    const data = dataset({
      x: Float32Array.from({ length: size * 6 }, (_, i) => ((i * 5) % 17) / 17 - 0.4),
      shape: [6],
      y: Uint8Array.from({ length: size }, (_, i) => i % 3),
      classes: 3,
    });
    const index = Uint32Array.from({ length: size }, (_, i) => (i * 4) % size);
    const runners = [
      createInlineRunner(createReference('plain')),
      createWorkerRunner(1, await wasmSetup()),
      createWorkerRunner(2, await wasmSetup()),
    ];
    const params = model.init(2);
    const sums = [];
    for (const runner of runners) {
      const trainer = createLocalTrainer(model, runner, { epochs: 1, batchSize: 4 });
      sums.push(await trainer.evaluate(params, data, index, 2, undefined));
      // One example at a time and by hand: no cut can be felt there.
      const single = await Promise.all(
        Array.from(index, (_, i) => trainer.evaluate(params, data, index.subarray(i, i + 1), 1)),
      );
      const lossSum = single.reduce((sum, each) => sum + each.lossSum, 0);
      expect(sums[0].lossSum).toBeCloseTo(lossSum, 10);
      expect(sums[0].correct).toBe(single.reduce((sum, each) => sum + each.correct, 0));
      await runner.dispose();
    }
    expect(sums[0].examples).toBe(size);
    expect(sums[1]).toEqual(sums[0]);
    expect(sums[2]).toEqual(sums[0]);
  });
});
