/** Search files: YAML that says which recipes are tried, how, and what they are judged by. */
import { z } from 'zod';
import { ConfigError, type ConfigProblem } from '../../config/errors.js';
import { nearest, VERBATIM_KEYS, verbatimPath } from '../../config/names.js';
import { originAt, toPlain } from '../../config/tree.js';
import { parseYamlDocuments } from '../../config/yaml.js';
import { dataflowGenome } from './dataflow-genome.js';
import { SearchError } from './errors.js';
import type { Search } from './evolve.js';
import type { Genome } from './genome.js';
import { parameterGenome } from './parameter-genome.js';

const model = z.string().min(1);
const whole = z.int().min(1);
const interval = z.tuple([z.number(), z.number()]);
const dtypes = { dtype: z.string().optional(), out_dtype: z.string().optional() };

const parameters = z.strictObject({
  kind: z.literal('parameters'),
  models: z.array(model).min(1),
  merge_method: z.string(),
  base_model: model.optional(),
  tokenizer_source: z.string().optional(),
  layer_granularity: z.int().min(0).default(0),
  /** Default: what config.json of the first model says. */
  layers: whole.optional(),
  filters: z.array(z.string().min(1)).default([]),
  smooth: z.boolean().default(false),
  allow_negative_weights: z.boolean().default(false),
  normalize: z.boolean().optional(),
  random_init: z.boolean().default(false),
  bounds: z.record(z.string(), interval).optional(),
  ...dtypes,
});

const dataflow = z.strictObject({
  kind: z.literal('dataflow'),
  /** `layers` by default what the model's config.json says. */
  models: z.array(z.strictObject({ model, layers: whole.optional() })).min(1),
  repeats: whole.default(1),
  scales: z.boolean().default(false),
  max_layers: whole.optional(),
  ...dtypes,
});

const optimizer = z.strictObject({
  seed: z.union([z.int().min(0), z.string().regex(/^\d{1,20}$/)]).default(0),
  sigma: z
    .number()
    .positive()
    .default(1 / 6),
  population: z.int().min(2).optional(),
  max_evaluations: whole.optional(),
  max_generations: whole.optional(),
  restarts: z.int().min(0).default(0),
  /** Wall time of this process; where it ends the search depends on the machine. */
  max_seconds: z.number().positive().optional(),
  target: z.number().optional(),
  variant: z.enum(['tutorial', 'purecma']).default('tutorial'),
});

const goal = z.enum(['maximize', 'minimize']).default('maximize');
const timeout = z.number().positive().max(2_000_000).default(3600);

const name = z.string().min(1);
/** A task of a command or a module: how much of the metric that bears its name goes into the score. */
const weighed = z.union([
  name.transform((text) => ({ name: text, weight: 1 })),
  z.strictObject({ name, weight: z.number().default(1) }),
]);
const metric = z.enum(['accuracy', 'loss']);
/** A part of a built-in task's examples. A loss weighs -1 unless told otherwise. */
const slice = z.strictObject({
  name,
  /** Labels of the examples that count. Default: all. */
  classes: z.array(z.int().min(0)).min(1).optional(),
  metric: metric.optional(),
  weight: z.number().optional(),
});

/** Tasks by name, each once. */
function named<T extends z.ZodType<{ name: string }>>(task: T) {
  return z
    .array(task)
    .min(1)
    .refine((tasks) => new Set(tasks.map((one) => one.name)).size === tasks.length, 'two tasks have one name')
    .optional();
}

const fitness = {
  command: z.strictObject({
    type: z.literal('command'),
    /** Program and arguments, started without a shell; `{model}` stands for the model's folder, else it is the last argument. */
    command: z.array(z.string()).min(1),
    /** Seconds. */
    timeout,
    goal,
    /** The program then prints a JSON object with a number for each; the score is their weighted sum. */
    tasks: named(weighed),
  }),
  module: z.strictObject({
    type: z.literal('module'),
    /** A JavaScript module that exports `fitness({ model, recipe, generation, index, signal })`. */
    module: z.string().min(1),
    goal,
    /** The function then returns an object with a number for each; the score is their weighted sum. */
    tasks: named(weighed),
  }),
  builtin: z.strictObject({
    type: z.literal('builtin'),
    /** A task that names both model and data set, as `mnist-2nn`. */
    task: z.string(),
    synthetic: z.boolean().default(false),
    /** Examples of the part at most. */
    limit: whole.optional(),
    /** Scoring on test data makes the test part of the search: its accuracy no longer says how well the winner does. */
    part: z.enum(['train', 'test']).default('test'),
    metric: metric.default('accuracy'),
    /** Default: one, of all examples. */
    tasks: named(slice),
  }),
};

const schema = z.strictObject({
  genome: z.discriminatedUnion('kind', [parameters, dataflow]),
  optimizer: optimizer.prefault({}),
  fitness: z.discriminatedUnion('type', [fitness.command, fitness.module, fitness.builtin]),
  parallel: z.int().min(1).max(256).default(1),
});

export type SearchFile = z.output<typeof schema>;
export type Fitness = SearchFile['fitness'];

/**
 * Reads a search file. Nothing on disk is looked at.
 *
 * @param source - the file's name, for messages.
 * @throws {ConfigError} with every problem, each at its line; unknown keys with the nearest known one.
 */
export function parseSearchFile(text: string, source: string): SearchFile {
  const problems: ConfigProblem[] = [];
  const documents = parseYamlDocuments(text, source, problems, VERBATIM_KEYS);
  const [first] = documents;
  if (first === undefined || documents.length > 1)
    problems.push({
      source,
      path: '',
      message: 'must hold one YAML document',
      hint: 'give genome and fitness',
    });
  if (problems.length > 0 || first === undefined) throw new ConfigError(problems);
  const root = first.node;
  const plain = toPlain(root);
  const parsed = schema.safeParse(plain);
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.flatMap((issue) => {
      if (issue.code !== 'unrecognized_keys')
        return [
          {
            ...originAt(root, issue.path),
            path: verbatimPath(issue.path),
            message: issue.message.endsWith('received undefined')
              ? 'is missing'
              : `is wrong: ${issue.message}`,
            hint: 'see `heddle evolve --help` for the keys and their values',
          },
        ];
      const known = knownKeys(plain, issue.path);
      return issue.keys.map((key) => {
        const near = nearest(key, known);
        return {
          ...originAt(root, [...issue.path, key]),
          path: verbatimPath([...issue.path, key]),
          message: 'is not a key that a search file knows here',
          hint: near === undefined ? `the keys here are ${known.join(', ')}` : `did you mean ${near}?`,
        };
      });
    }),
  );
}

function knownKeys(plain: unknown, path: readonly PropertyKey[]): string[] {
  const section = path[0];
  if (section === undefined) return Object.keys(schema.shape);
  if (section === 'optimizer') return Object.keys(optimizer.shape);
  const written = (plain as Record<string, Record<string, unknown>>)[String(section)];
  if (section === 'fitness' && path.length === 1) {
    const type = written?.type as keyof typeof fitness;
    return Object.keys(fitness[type]?.shape ?? {});
  }
  if (path.length > 1) return path[1] === 'tasks' ? taskKeys(written?.type) : ['model', 'layers'];
  return Object.keys(written?.kind === 'dataflow' ? dataflow.shape : parameters.shape);
}

function taskKeys(type: unknown): string[] {
  return type === 'builtin' ? Object.keys(slice.shape) : ['name', 'weight'];
}

/** Every model that the file names, each once. */
export function modelsOf({ genome }: SearchFile): string[] {
  const listed = genome.kind === 'dataflow' ? genome.models.map((entry) => entry.model) : genome.models;
  const base = genome.kind === 'parameters' && genome.base_model !== undefined ? [genome.base_model] : [];
  return [...new Set([...listed, ...base])];
}

/** Parts of the names of benchmarks whose test sets are public. */
const BENCHMARKS =
  /\b(arc|bbh|boolq|drop|gpqa|gsm8?k|hellaswag|humaneval|ifeval|lambada|math|mbpp|mgsm|mmlu|openbookqa|piqa|squad|triviaqa|truthfulqa|winogrande)\b/i;

/** What a search is told about leakage: a winner chosen on test data looks better there than it is. */
export function leakageWarnings({ fitness: judged }: SearchFile): string[] {
  const known = (judged.tasks ?? []).filter((task) => BENCHMARKS.test(task.name.replaceAll('_', ' ')));
  const warnings = known.map(
    (task) =>
      `task ${task.name} bears the name of a public benchmark: if the search sees its test set, the winner's score there says nothing`,
  );
  if (judged.type === 'builtin' && judged.part === 'test')
    warnings.push(
      `the search sees the test part of ${judged.task}: the winner's score there is better than it will be on new data (part: train keeps it apart)`,
    );
  return warnings;
}

export interface SearchFileContext {
  /** Layers of a model, as its configuration says. */
  layersOf(reference: string): Promise<number>;
}

/** The search that a file describes; its recipes name models as the file does, relative to its folder. @throws {SearchError} for a genome that cannot be. */
export async function searchOf(file: SearchFile, context: SearchFileContext): Promise<Search> {
  const { optimizer: o } = file;
  if (file.fitness.type === 'builtin' && file.genome.kind === 'dataflow' && file.genome.scales)
    throw new SearchError(
      'a built-in task cannot judge a data-flow search with scales: its models do not apply merge_input_scales',
      'remove scales, or judge by a command or a module that applies them',
    );
  return {
    genome: await genomeOf(file.genome, context),
    seed: o.seed,
    sigma: o.sigma,
    populationSize: o.population,
    maxEvaluations: o.max_evaluations,
    maxGenerations: o.max_generations,
    restarts: o.restarts,
    maxSeconds: o.max_seconds,
    target: o.target,
    variant: o.variant,
  };
}

async function genomeOf(genome: SearchFile['genome'], { layersOf }: SearchFileContext): Promise<Genome> {
  const common = { dtype: genome.dtype, outDtype: genome.out_dtype };
  if (genome.kind === 'dataflow') {
    const models = genome.models.map(async (entry) => ({
      model: entry.model,
      layers: entry.layers ?? (await layersOf(entry.model)),
    }));
    const { repeats, scales, max_layers: maxLayers } = genome;
    return dataflowGenome({ models: await Promise.all(models), repeats, scales, maxLayers, ...common });
  }
  const granularity = genome.layer_granularity;
  const bounds = genome.bounds && Object.entries(genome.bounds);
  return parameterGenome({
    models: genome.models,
    mergeMethod: genome.merge_method,
    baseModel: genome.base_model,
    tokenizerSource: genome.tokenizer_source,
    layerGranularity: granularity,
    layers: granularity === 0 ? undefined : (genome.layers ?? (await layersOf(genome.models[0]))),
    filters: genome.filters,
    smooth: genome.smooth,
    allowNegativeWeights: genome.allow_negative_weights,
    normalize: genome.normalize,
    randomInit: genome.random_init,
    bounds: bounds && Object.fromEntries(bounds.map(([name, [lower, upper]]) => [name, { lower, upper }])),
    ...common,
  });
}
