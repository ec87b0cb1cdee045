import { ConfigError, type ConfigNote, type ConfigProblem, type Origin } from '../../config/errors.js';
import { type ConfigNode, fromValue, nodeAt, toPlain, withNode } from '../../config/tree.js';
import { parseYaml } from '../../config/yaml.js';
import { expandAliases } from './aliases.js';
import { problemsFromIssues } from './issues.js';
import { type CustomObjects, type SimulateOptions, separateObjects } from './objects.js';
import { applyOverride, type Override } from './overrides.js';
import { type CheckedConfig, namedClients } from './rule-context.js';
import { checkPairs, checkRules } from './rules.js';
import { configSchema, type SimulateConfig } from './schema.js';
import { withTaskDefaults } from './tasks.js';

/** A configuration that passed every check. */
export interface ResolvedConfig {
  /** Plain data with every default filled in. */
  readonly config: SimulateConfig;
  /** The objects that the configuration calls `custom`. */
  readonly objects: CustomObjects;
  /** Keys of other tools that were mapped with a change of meaning, or ignored. Show them. */
  readonly notes: readonly ConfigNote[];
}

export interface ResolveSettings {
  /** Name of the text in messages, as its file name. Default: `config`. */
  source?: string;
  /** Laid over the text in this order. */
  overrides?: readonly Override[];
}

/** A tree with what was found while it was read; `problems` may be non-empty. */
export interface ConfigLayer {
  readonly tree: ConfigNode;
  readonly problems: ConfigProblem[];
  readonly notes: ConfigNote[];
}

/** Reads YAML or JSON text into a layer, with the names of other tools expanded. */
export function readLayer(text: string, source: string): ConfigLayer {
  const problems: ConfigProblem[] = [];
  const notes: ConfigNote[] = [];
  const tree = parseYaml(text, source, problems);
  return { tree: expandAliases(withoutSchemaLink(tree), problems, notes), problems, notes };
}

/** JSON files name their schema for editors under `$schema`; it says nothing about the run. */
function withoutSchemaLink(tree: ConfigNode): ConfigNode {
  const link = nodeAt(tree, ['$schema']);
  return link?.kind === 'leaf' && typeof link.value === 'string'
    ? withNode(tree, ['$schema'], undefined, link.origin)
    : tree;
}

/**
 * Resolves YAML or JSON text: parses, lays overrides on it, fills in the defaults of its task and checks it.
 *
 * @throws {ConfigError} with all problems found, each with its line and column.
 */
export function parseConfig(text: string, settings: ResolveSettings = {}): ResolvedConfig {
  const layer = readLayer(text, settings.source ?? 'config');
  return resolveLayer(layer, settings.overrides ?? []);
}

/**
 * Resolves the options of a TypeScript caller; the same tree, defaults and checks as a file.
 *
 * @throws {ConfigError} with all problems found.
 */
export function resolveOptions(
  options: SimulateOptions,
  overrides: readonly Override[] = [],
): ResolvedConfig {
  const { plain, objects } = separateObjects(options);
  const problems: ConfigProblem[] = [];
  const notes: ConfigNote[] = [];
  const tree = expandAliases(fromValue(plain, { source: 'options' }, problems), problems, notes);
  return resolveLayer({ tree, problems, notes }, overrides, objects);
}

/** Resolves a bare task name such as `mnist-2nn` with that task's defaults. */
export function resolveTask(task: string, overrides: readonly Override[] = []): ResolvedConfig {
  const origin: Origin = { source: 'task' };
  const tree = fromValue({ data: { task } }, origin, []);
  return resolveLayer({ tree, problems: [], notes: [] }, overrides);
}

/** Lays overrides on a layer, fills in defaults and checks the result. */
export function resolveLayer(
  layer: ConfigLayer,
  overrides: readonly Override[],
  objects: CustomObjects = { stages: [] },
): ResolvedConfig {
  // Keys cannot be judged in text that does not parse.
  if (layer.problems.some((problem) => problem.path === '')) throw new ConfigError(layer.problems);
  const problems = [...layer.problems];
  const notes = [...layer.notes];
  let tree = layer.tree;
  for (const override of overrides) tree = applyOverride(tree, override, problems, notes);
  if (tree.kind !== 'map') {
    problems.push({
      ...tree.origin,
      path: '',
      message: 'the configuration is not a map of keys',
      hint: 'start with `schema: 1`',
    });
    throw new ConfigError(problems);
  }
  problems.push(...checkPairs(tree));
  const plain = withTaskDefaults(toPlain(tree), namedClients(objects.dataset));
  const parsed = configSchema.safeParse(plain);
  if (!parsed.success) {
    problems.push(...problemsFromIssues(parsed.error.issues, tree, plain));
    throw new ConfigError(sorted(problems));
  }
  problems.push(...checkRules(parsed.data, tree, objects));
  if (problems.length > 0) throw new ConfigError(sorted(problems));
  return { config: filled(parsed.data), objects, notes };
}

function sorted(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

const DEFAULT_MOMENTUM = 0.9;

/** Fills in defaults that depend on another key. */
function filled(config: CheckedConfig): SimulateConfig {
  const { client, strategy, run } = config;
  const serverOptimizer = strategy.serverOptimizer ?? (strategy.type === 'fedavgm' ? 'sgdm' : 'sgd');
  return {
    ...config,
    run: { ...run, seed: shortSeed(run.seed) },
    client: {
      ...client,
      ...(client.optimizer === 'sgdm' ? { momentum: client.momentum ?? DEFAULT_MOMENTUM } : {}),
      ...(client.lrSchedule === 'step'
        ? { lrStepEvery: client.lrStepEvery ?? 30, lrGamma: client.lrGamma ?? 0.1 }
        : {}),
      ...(client.lrSchedule === 'exp' ? { lrGamma: client.lrGamma ?? 0.99 } : {}),
    },
    strategy: {
      ...strategy,
      serverOptimizer,
      ...(serverOptimizer === 'sgdm' ? { serverMomentum: strategy.serverMomentum ?? DEFAULT_MOMENTUM } : {}),
    },
    update: {
      ...config.update,
      pipeline: config.update.pipeline.map((stage) =>
        'quantize' in stage && stage.quantize.format === 'int8'
          ? { quantize: { ...stage.quantize, block: stage.quantize.block ?? 256 } }
          : stage,
      ),
    },
  };
}

/** One seed has one form, so that equal runs have equal hashes: a number where it is exact, else text. */
function shortSeed(seed: number | string): number | string {
  const value = Number(seed);
  return Number.isSafeInteger(value) ? value : seed;
}
