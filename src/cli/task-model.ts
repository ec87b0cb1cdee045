/** The model and the data that a task or a configuration file names. */
import type { Dataset } from '../data/dataset.js';
import { assembleModel } from '../federation/assemble.js';
import { loadConfig } from '../federation/config/load.node.js';
import { shapedFor, taskShape } from '../federation/host.js';
import { createNodeHost } from '../federation/host.node.js';
import type { Model } from '../program/model.js';
import { collectEnvironment } from '../report/environment.node.js';
import { version } from '../version.js';

export interface TaskChoice {
  /** As `mnist-2nn`, or a configuration file of `heddle simulate`. */
  readonly task: string;
  /** The generated twin of the task's data. */
  readonly synthetic?: boolean;
  readonly part: 'train' | 'test';
}

/** Options of the verbs that measure or score models by a task. */
export interface TaskOptions {
  task?: string;
  synthetic?: boolean;
  part: 'train' | 'test';
  /** The first so many examples. */
  limit?: number;
}

/** @throws as `loadConfig`; {@link DataNotFoundError} and {@link ShapeMismatchError} where data and model do not go together. */
export async function loadTaskModel(choice: TaskChoice): Promise<{ model: Model; data: Dataset }> {
  const { config, objects } = await loadConfig(choice.task, choice.synthetic ? ['data.synthetic=true'] : []);
  const task = await createNodeHost(() => collectEnvironment(version)).loadTask(config);
  const shape = taskShape(config);
  const data = (shape === undefined ? task : shapedFor(task, shape.input))[choice.part];
  return { model: assembleModel(config, objects, data), data };
}
