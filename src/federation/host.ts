/** What a run needs from the place it runs in: where data files come from and what machine this is. */
import type { TaskData } from '../data/dataset.js';
import { withShape } from '../data/dataset.js';
import { syntheticTask } from '../data/synthetic.js';
import { HeddleError } from '../errors.js';
import type { SimulateConfig } from './config/schema.js';
import { TASK_PRESETS } from './config/tasks.js';
import type { RunEnvironment } from './events.js';

export interface Host {
  /** Loads what `config.data` names, in the shapes of the files. */
  loadTask(config: SimulateConfig): Promise<TaskData>;
  environment(): RunEnvironment;
  /** URL under which a thread can import a user's module, given by path or by URL. */
  moduleUrl(module: string): string;
}

/** This place has no files. */
export class NoFilesError extends HeddleError {
  constructor(what: string) {
    super(
      'ERR_DATA_NOT_FOUND',
      `${what} is read from files, and there are none in a browser`,
      'pass a dataset object as `data`, or set data.synthetic to true',
    );
  }
}

/** The generated twin of the configured task, or undefined where files are wanted. */
export function syntheticTwin({ data, run }: SimulateConfig): TaskData | undefined {
  if (!data.synthetic || data.task === undefined) return undefined;
  return syntheticTask(data.task === 'cifar10-cnn' ? 'cifar10' : 'mnist', { seed: run.seed });
}

/** The task's data in the input shape that the model wants. */
export function shapedFor(task: TaskData, input: readonly number[]): TaskData {
  const same = (shape: readonly number[]): boolean => shape.join() === input.join();
  const reshape = (data: TaskData['train']): TaskData['train'] =>
    same(data.shape) ? data : withShape(data, input);
  return { train: reshape(task.train), test: reshape(task.test) };
}

/** Input shape and classes that a task's own model expects. */
export function taskShape(config: SimulateConfig): { input: readonly number[]; classes: number } | undefined {
  const { task } = config.data;
  return task === undefined ? undefined : TASK_PRESETS[task];
}
