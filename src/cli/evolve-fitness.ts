/** The three kinds of fitness that a search file can name. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Dataset } from '../data/dataset.js';
import { describe, HeddleError, ShapeMismatchError } from '../errors.js';
import type { Kernels } from '../kernels/kernels.js';
import { loadBackend } from '../kernels/select.js';
import { commandFitness, commandTasks } from '../merge/evolve/command-fitness.node.js';
import type { Evaluation } from '../merge/evolve/evolve.js';
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
  /** The recipe as YAML; its models are named relative to the search file. */
  readonly recipe: string;
  readonly generation: number;
  readonly index: number;
  readonly signal: AbortSignal;
}

/** Scores are larger for the better. */
export type OpenFitness =
  | { readonly kind: 'folder'; score(input: FitnessInput): Promise<Evaluation>; dispose(): Promise<void> }
  /** Merges into memory and scores there: nothing is written. */
  | {
      readonly kind: 'memory';
      score(recipe: string, signal: AbortSignal): Promise<Evaluation>;
      dispose(): Promise<void>;
    };

/** The module or the data of a fitness does not serve. */
export class FitnessError extends HeddleError {
  constructor(problem: string, hint: string, options?: ErrorOptions) {
    super('ERR_FITNESS', problem, hint, options);
  }
}

/** As it was given, to six digits: unlike other numbers it may go on into a script. */
export function formatScore(score: number | null): string {
  return score === null ? '–' : String(Number(score.toPrecision(6)));
}

/** @param folder - of the search file: relative paths and the programs start there. */
export async function openFitness(fitness: Fitness, folder: string): Promise<OpenFitness> {
  switch (fitness.type) {
    case 'command': {
      const { command, timeout, tasks } = fitness;
      const [program] = command;
      return judgeOfFolders(fitness, `the program ${program}`, ({ model, signal }) => {
        const run = tasks === undefined ? commandFitness : commandTasks;
        return run(command, model, { timeout, cwd: folder, signal });
      });
    }
    case 'module': {
      const path = resolve(folder, fitness.module);
      return judgeOfFolders(fitness, `fitness of ${path}`, await importFitness(path));
    }
    case 'builtin':
      return openBuiltin(fitness, folder);
    default:
      return fitness satisfies never;
  }
}

/** One number, or with `tasks` one by name for each and their weighted sum. */
function judgeOfFolders(
  { goal, tasks }: Exclude<Fitness, { type: 'builtin' }>,
  who: string,
  ask: (input: FitnessInput) => unknown,
): OpenFitness {
  const sign = goal === 'minimize' ? -1 : 1;
  return {
    kind: 'folder',
    async score(input) {
      const answer: unknown = await ask(input);
      if (tasks === undefined) return { score: sign * finite(answer, who, 'return a finite number') };
      const given = typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
      const names = tasks.map((task) => task.name).join(', ');
      const perTask = Object.fromEntries(
        tasks.map(({ name }) => [
          name,
          finite(given[name], `task ${name}, by ${who},`, `give an object with a finite number for ${names}`),
        ]),
      );
      return { score: sign * weighedSum(tasks, perTask), perTask };
    },
    dispose: async () => undefined,
  };
}

function finite(value: unknown, who: string, hint: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new FitnessError(`${who} gave ${describe(value)}`, hint);
}

function weighedSum(
  tasks: readonly { readonly name: string; readonly weight: number }[],
  perTask: Readonly<Record<string, number>>,
): number {
  return tasks.reduce((sum, { name, weight }) => sum + weight * perTask[name], 0);
}

async function importFitness(path: string): Promise<(input: FitnessInput) => unknown> {
  // Node's own message names the module of heddle that asked for it.
  if (!existsSync(path))
    throw new FitnessError(`${path} is not there`, 'give the path of a module that exports fitness');
  let loaded: { fitness?: unknown };
  try {
    loaded = await import(pathToFileURL(path).href);
  } catch (error) {
    const typescript = /\.[cm]?ts$/.test(path);
    throw new FitnessError(
      `${path} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`,
      typescript
        ? 'compile it to JavaScript, or run heddle under a loader of TypeScript (NODE_OPTIONS="--import tsx")'
        : 'it must be a JavaScript module that Node can import',
      { cause: error },
    );
  }
  const { fitness } = loaded;
  if (typeof fitness !== 'function')
    throw new FitnessError(
      `${path} exports no function named fitness`,
      'export function fitness({ model }) { ... }',
    );
  return (input) => fitness(input);
}

/** A heddle model on a heddle data set. */
async function openBuiltin(fitness: Fitness & { type: 'builtin' }, folder: string): Promise<OpenFitness> {
  const { model, data } = await loadTaskModel(fitness);
  const tasks = builtinTasks(fitness, data);
  const kernels = await loadBackend();
  const session = await openTrainingSession(model);
  const merger = createMemoryMerger(kernels, { folder });
  return {
    kind: 'memory',
    async score(recipe, signal) {
      // The merger is free again once the values are copied out: with --parallel it merges the next while this one is judged.
      const params = await merger.merge(
        recipe,
        async (tensors) => parametersOf(tensors, model, kernels),
        signal,
      );
      const judged = await Promise.all(
        tasks.map(async ({ name, index, metric }): Promise<[string, number]> => {
          const judgement = await session.evaluate(params, data, { index, signal });
          return [name, judgement[metric]];
        }),
      );
      const perTask = Object.fromEntries(judged);
      const score = weighedSum(tasks, perTask);
      return fitness.tasks === undefined ? { score } : { score, perTask };
    },
    async dispose() {
      await merger.dispose();
      await session.dispose();
      kernels.dispose();
    },
  };
}

interface BuiltinTask {
  readonly name: string;
  readonly weight: number;
  readonly metric: 'accuracy' | 'loss';
  readonly index: Uint32Array;
}

function builtinTasks(fitness: Fitness & { type: 'builtin' }, { size, y }: Dataset): BuiltinTask[] {
  const all = Array.from({ length: Math.min(size, fitness.limit ?? size) }, (_, i) => i);
  const written: NonNullable<typeof fitness.tasks> = fitness.tasks ?? [{ name: fitness.task }];
  return written.map(({ name, classes, metric = fitness.metric, weight = metric === 'loss' ? -1 : 1 }) => {
    const index = Uint32Array.from(classes === undefined ? all : all.filter((i) => classes.includes(y[i])));
    if (index.length === 0)
      throw new FitnessError(
        `task ${name} has none of the ${all.length} examples`,
        'name classes that the data have, or raise limit',
      );
    return { name, weight, metric, index };
  });
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
