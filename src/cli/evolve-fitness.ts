/** The three kinds of fitness that a search file can name. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HeddleError, ShapeMismatchError } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import { loadBackend } from '../kernels/select.js';
import { commandFitness } from '../merge/evolve/command-fitness.node.js';
import { createMemoryMerger, type MemoryTensor } from '../merge/evolve/memory-merge.node.js';
import type { Fitness } from '../merge/evolve/search-file.js';
import type { Model } from '../program/model.js';
import { createCodec } from '../tensor/safetensors/codecs.js';
import { openTrainingSession } from '../train/training-session.js';
import { loadTaskModel } from './task-model.js';

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
  const { model, data } = await loadTaskModel(fitness);
  const kernels = await loadBackend();
  const session = await openTrainingSession(model);
  const index = Uint32Array.from({ length: Math.min(data.size, fitness.limit ?? data.size) }, (_, i) => i);
  const merger = createMemoryMerger(kernels);
  return {
    kind: 'memory',
    async score(recipe, signal) {
      // The merger is free again once the values are copied out: with --parallel it merges the next while this one is judged.
      const params = await merger.merge(
        recipe,
        async (tensors) => parametersOf(tensors, model, kernels),
        signal,
      );
      const { accuracy, loss } = await session.evaluate(params, data, { index, signal });
      return fitness.metric === 'accuracy' ? accuracy : -loss;
    },
    async dispose() {
      await merger.dispose();
      await session.dispose();
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
