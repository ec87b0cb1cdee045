/** The three kinds of fitness that a search file can name. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HeddleError, ShapeMismatchError } from '../errors.js';
import { assembleModel } from '../federation/assemble.js';
import { loadConfig } from '../federation/config/load.node.js';
import { shapedFor, taskShape } from '../federation/host.js';
import { createNodeHost } from '../federation/host.node.js';
import type { Kernels } from '../kernels/kernels.js';
import { loadBackend } from '../kernels/select.js';
import { commandFitness } from '../merge/evolve/command-fitness.node.js';
import { createMemoryMerger, type MemoryTensor } from '../merge/evolve/memory-merge.node.js';
import type { Fitness } from '../merge/evolve/search-file.js';
import type { Model } from '../program/model.js';
import { collectEnvironment } from '../report/environment.node.js';
import { createCodec } from '../tensor/safetensors/codecs.js';
import { createInlineRunner } from '../train/inline-runner.js';
import { createLocalTrainer } from '../train/local-trainer.js';
import { version } from '../version.js';

/** What a fitness is told about a candidate. */
export interface FitnessInput {
  /** Folder of the merged model; gone once the fitness has answered. */
  readonly model: string;
  /** The recipe as YAML. */
  readonly recipe: string;
  readonly generation: number;
  readonly index: number;
  readonly signal: AbortSignal;
}

/** Scores are larger for the better. */
export type OpenFitness =
  | { readonly kind: 'folder'; score(input: FitnessInput): Promise<number>; dispose(): Promise<void> }
  /** Merges into memory and scores there: nothing is written. */
  | {
      readonly kind: 'memory';
      score(recipe: string, signal: AbortSignal): Promise<number>;
      dispose(): Promise<void>;
    };

/** The module or the data of a fitness does not serve. */
export class FitnessError extends HeddleError {
  constructor(problem: string, hint: string, options?: ErrorOptions) {
    super('ERR_FITNESS', problem, hint, options);
  }
}

/** @param folder - of the search file: relative paths and the programs start there. */
export async function openFitness(fitness: Fitness, folder: string): Promise<OpenFitness> {
  switch (fitness.type) {
    case 'command': {
      const { command, timeout } = fitness;
      const sign = fitness.goal === 'minimize' ? -1 : 1;
      return {
        kind: 'folder',
        score: async ({ model, signal }) =>
          sign * (await commandFitness(command, model, { timeout, cwd: folder, signal })),
        dispose: async () => undefined,
      };
    }
    case 'module': {
      const call = await importFitness(resolve(folder, fitness.module));
      const sign = fitness.goal === 'minimize' ? -1 : 1;
      return {
        kind: 'folder',
        score: async (input) => sign * (await call(input)),
        dispose: async () => undefined,
      };
    }
    case 'builtin':
      return openBuiltin(fitness);
    default:
      return fitness satisfies never;
  }
}

async function importFitness(path: string): Promise<(input: FitnessInput) => number | Promise<number>> {
  let loaded: { fitness?: unknown };
  try {
    loaded = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new FitnessError(
      `${path} cannot be loaded`,
      'it must be a JavaScript module that Node can import',
      {
        cause: error,
      },
    );
  }
  const { fitness } = loaded;
  if (typeof fitness !== 'function')
    throw new FitnessError(
      `${path} exports no function named fitness`,
      'export function fitness({ model }) { ... }',
    );
  return async (input) => {
    const value: unknown = await fitness(input);
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new FitnessError(`fitness of ${path} returned ${String(value)}`, 'return a finite number');
    return value;
  };
}

/** A heddle model on a heddle data set. */
async function openBuiltin(fitness: Fitness & { type: 'builtin' }): Promise<OpenFitness> {
  const overrides = fitness.synthetic ? ['data.synthetic=true'] : [];
  const { config, objects } = await loadConfig(fitness.task, overrides);
  const task = await createNodeHost(() => collectEnvironment(version)).loadTask(config);
  const shape = taskShape(config);
  const data = (shape === undefined ? task : shapedFor(task, shape.input))[fitness.part];
  const model = assembleModel(config, objects, data);
  const kernels = await loadBackend();
  const runner = createInlineRunner(kernels);
  const trainer = createLocalTrainer(model, runner, { epochs: 1, batchSize: 100 });
  const index = Uint32Array.from({ length: Math.min(data.size, fitness.limit ?? data.size) }, (_, i) => i);
  const merger = createMemoryMerger(kernels);
  return {
    kind: 'memory',
    score: (recipe, signal) =>
      merger.merge(
        recipe,
        async (tensors) => {
          const params = parametersOf(tensors, model, kernels);
          const { lossSum, correct, examples } = await trainer.evaluate(params, data, index, 250, signal);
          return fitness.metric === 'accuracy' ? correct / examples : -lossSum / examples;
        },
        signal,
      ),
    async dispose() {
      await merger.dispose();
      await runner.dispose();
      kernels.dispose();
    },
  };
}

/** The flat vector of a model from tensors that bear the names of its layout. */
export function parametersOf(
  tensors: ReadonlyMap<string, MemoryTensor>,
  { spec, name }: Model,
  kernels: Kernels,
): Float32Array {
  const params = new Float32Array(spec.size);
  for (const entry of spec.entries) {
    const tensor = tensors.get(entry.name);
    if (tensor === undefined)
      throw new FitnessError(
        `the merged model has no tensor ${entry.name}, which the model '${name}' needs`,
        'merge models of that architecture, or judge them by a command or a module',
      );
    if (tensor.shape.join() !== entry.shape.join())
      throw new ShapeMismatchError(entry.name, entry.shape, tensor.shape, `use models of '${name}'`);
    createCodec(kernels, tensor.dtype, entry.name).widen(spec.slice(params, entry.name), tensor.bytes);
  }
  return params;
}
