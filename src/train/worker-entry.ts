/** Entry of a worker thread: loads one back end or one trainer, then answers jobs until it is terminated. */
import { connectToParent } from '#platform';
import { isShared } from '../data/shared-memory.js';
import { createReference } from '../kernels/reference.js';
import { createWasm } from '../kernels/wasm.js';
import { isResult, JobExecutor } from '../program/execute.js';
import type { JobProgram } from '../program/tape.js';
import { ParamSpec } from '../tensor/param-spec.js';
import { compactJob } from './compact.js';
import type { SpaceArray } from './job.js';
import type { Trainer } from './trainer.js';
import type { WorkerReply, WorkerResult, WorkerTask } from './worker-protocol.js';

let executor: JobExecutor | undefined;
const programs = new Map<number, JobProgram>();
let trainer: Trainer | undefined;

async function answer(task: WorkerTask): Promise<WorkerResult> {
  switch (task.type) {
    case 'wasm':
      executor = new JobExecutor(await createWasm(task.module));
      return null;
    case 'reference':
      executor = new JobExecutor(createReference(task.profile));
      return null;
    case 'trainer':
      trainer = await loadTrainer(task.module);
      return null;
    case 'job':
      return runOne(task);
    case 'train':
      if (!trainer) throw new Error('this thread has no trainer');
      return trainer.train({ ...task.job, spec: rebuiltSpec(task.job.spec) });
    default:
      return task satisfies never;
  }
}

async function loadTrainer(module: string): Promise<Trainer> {
  const fail = (problem: string): never => {
    throw Object.assign(new Error(problem), { code: 'ERR_TRAINER_MODULE' });
  };
  const loaded = (await import(module).catch((error: unknown) =>
    fail(`does not load: ${error instanceof Error ? error.message : String(error)}`),
  )) as { trainer?: Trainer };
  if (typeof loaded.trainer?.train !== 'function')
    return fail('has no export `trainer` with a method `train`');
  return loaded.trainer;
}

/** A message keeps the fields of a spec, not its methods. */
function rebuiltSpec({ entries, aliases }: ParamSpec): ParamSpec {
  return new ParamSpec(entries, aliases);
}

function runOne(task: Extract<WorkerTask, { type: 'job' }>): Record<string, SpaceArray> {
  if (task.definition) programs.set(task.program, task.definition);
  const program = programs.get(task.program);
  if (!executor || !program) throw new Error('this thread has no back end or not this program');
  const job = { ...task.job, program };
  const shared = program.spaces.some(({ name, role }) => role === 'examples' && isShared(job.bindings[name]));
  executor.run(shared ? compactJob(job) : job);
  return Object.fromEntries(
    program.spaces
      .filter((space) => isResult(space, job.results) && !isShared(job.bindings[space.name]))
      .map(({ name }) => [name, job.bindings[name]]),
  );
}

function buffersOf(result: WorkerResult): ArrayBuffer[] {
  const values: unknown[] = result === null ? [] : Object.values(result);
  return values.flatMap((value) =>
    ArrayBuffer.isView(value) && value.buffer instanceof ArrayBuffer ? [value.buffer] : [],
  );
}

const parent = connectToParent();
parent.onMessage(async (message) => {
  try {
    const result = await answer(message as WorkerTask);
    parent.post({ result } satisfies WorkerReply, [...new Set(buffersOf(result))]);
  } catch (error) {
    // A result that cannot be sent ends here too.
    parent.post({ error: plainError(error) } satisfies WorkerReply);
  }
});

function plainError(error: unknown): Extract<WorkerReply, { error: unknown }>['error'] {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack, code } = error as Error & { code?: unknown };
  return { name, message, stack, code: typeof code === 'string' ? code : undefined };
}
