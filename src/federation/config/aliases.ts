import type { ConfigNote, ConfigProblem, Origin } from '../../config/errors.js';
import { dottedPath, toKebab } from '../../config/names.js';
import {
  type ConfigNode,
  fromValue,
  type MapEntry,
  type MapNode,
  nodeAt,
  type Path,
  toPlain,
  withNode,
} from '../../config/tree.js';
import { TASK_NAMES } from './schema.js';
import { TASK_PRESETS } from './tasks.js';

/** Other names of keys that mean exactly the same, by their section (or at the top, as pfl-research writes them). */
const RENAMED: Readonly<Record<string, Path>> = {
  centralNumIterations: ['run', 'numServerRounds'],
  localNumEpochs: ['client', 'localEpochs'],
  localBatchSize: ['client', 'batchSize'],
  localLearningRate: ['client', 'lr'],
  cohortSize: ['strategy', 'cohortSize'],
  evaluationFrequency: ['eval', 'frequency'],
  centralEvalBatchSize: ['eval', 'batchSize'],
  centralDelta: ['privacy', 'delta'],
};

/** Names that are plain words in heddle's own sections, so they count as pfl-research's at the top level only. */
const RENAMED_AT_TOP: Readonly<Record<string, Path>> = {
  learningRate: ['strategy', 'serverLr'],
  seed: ['run', 'seed'],
  dataPath: ['data', 'root'],
};

/** Names that have no effect here, with the reason that the note gives. */
const IGNORED: Readonly<Record<string, string>> = {
  valCohortSize: 'federated evaluation is not part of a run; the global model is evaluated on central data',
  addAllArguments: 'it steers the argument parser of pfl-research',
  argsConfig: 'it steers the argument parser of pfl-research',
  wandbProjectId: 'TensorBoard files are written, which `wandb sync` accepts',
  mu: 'it belongs to FedProx, and the strategy is another',
  scaffoldPopulation: 'it belongs to SCAFFOLD, and the strategy is another',
  adafedproxMetricName: 'it belongs to AdaFedProx, and the strategy is another',
  adafedproxAdaptFrequency: 'it belongs to AdaFedProx, and the strategy is another',
};

interface Context {
  tree: ConfigNode;
  readonly top: MapNode;
  readonly problems: ConfigProblem[];
  readonly notes: ConfigNote[];
}

/**
 * Replaces the key names of pfl-research (and the longer names of section keys) by heddle's. Each name that cannot
 * be mapped becomes a note or a problem; none is dropped in silence. The tree comes back as it is if it has none.
 */
export function expandAliases(tree: ConfigNode, problems: ConfigProblem[], notes: ConfigNote[]): ConfigNode {
  if (tree.kind !== 'map') return tree;
  const context: Context = { tree, top: tree, problems, notes };
  for (const [name, path] of Object.entries({ ...RENAMED, ...RENAMED_AT_TOP })) moveTop(context, name, path);
  for (const [name, target] of Object.entries(RENAMED)) {
    const [section] = target;
    if (section !== undefined && target.at(-1) !== name) move(context, [section, name], target);
  }
  for (const [name, why] of Object.entries(IGNORED)) {
    const entry = take(context, name);
    if (entry !== undefined) note(context, name, entry.keyOrigin, `has no effect: ${why}`);
  }
  expandDataset(context);
  expandAlgorithm(context);
  expandPrivacy(context);
  return context.tree;
}

/** Removes a top-level key and returns what stood there. */
function take(context: Context, name: string): MapEntry | undefined {
  const entry = context.tree.kind === 'map' ? context.tree.entries.get(name) : undefined;
  if (entry !== undefined) context.tree = withNode(context.tree, [name], undefined, entry.keyOrigin);
  return entry;
}

function moveTop(context: Context, name: string, target: Path): void {
  move(context, [name], target);
}

function move(context: Context, from: Path, target: Path): void {
  const parent = nodeAt(context.tree, from.slice(0, -1));
  const entry = parent?.kind === 'map' ? parent.entries.get(String(from.at(-1))) : undefined;
  if (entry === undefined) return;
  context.tree = withNode(context.tree, from, undefined, entry.keyOrigin);
  put(context, entry.key, entry.keyOrigin, target, entry.node);
}

/** Puts a value at a path of heddle's tree; one that is there already makes two names for one key. */
function put(context: Context, key: string, origin: Origin, target: Path, node: ConfigNode): void {
  if (nodeAt(context.tree, target) !== undefined) {
    context.problems.push({
      ...origin,
      path: dottedPath(target),
      message: `is given twice, also under its other name "${key}"`,
      hint: `keep ${dottedPath(target)} and remove "${key}"`,
    });
    return;
  }
  context.tree = withEntry(context.tree, target, { key: String(target.at(-1)), keyOrigin: origin, node });
}

function withEntry(tree: ConfigNode, path: Path, entry: MapEntry): ConfigNode {
  const placed = withNode(tree, path, entry.node, entry.keyOrigin);
  const parent = nodeAt(placed, path.slice(0, -1));
  if (parent?.kind === 'map') parent.entries.set(String(path.at(-1)), entry);
  return placed;
}

function putValue(context: Context, key: string, origin: Origin, target: Path, value: unknown): void {
  put(context, key, origin, target, fromValue(value, origin, context.problems));
}

function note(context: Context, name: string, origin: Origin, message: string): void {
  context.notes.push({ ...origin, path: toKebab(name), message });
}

function refuse(context: Context, name: string, origin: Origin, message: string, hint: string): void {
  context.problems.push({ ...origin, path: toKebab(name), message, hint });
}

/** pfl-research counts examples per user; heddle counts users, so the data set's size is needed. */
function expandDataset(context: Context): void {
  const dataset = take(context, 'dataset');
  const model = take(context, 'modelName');
  const alpha = take(context, 'partitionAlpha');
  const size = take(context, 'meanDatapointsPerUser');
  const distribution = take(context, 'datapointsPerUserDistribution');

  if (dataset !== undefined) {
    const name = String(toPlain(dataset.node));
    if (name !== 'cifar10' && name !== 'cifar10_iid')
      refuse(
        context,
        'dataset',
        dataset.keyOrigin,
        `is ${name}, which no task of heddle stands for`,
        `set data.task to one of ${TASK_NAMES.join(', ')}`,
      );
    else {
      putValue(context, dataset.key, dataset.keyOrigin, ['data', 'task'], 'cifar10-cnn');
      const type = name === 'cifar10' ? 'dirichlet' : 'iid';
      putValue(context, dataset.key, dataset.keyOrigin, ['data', 'partitioner', 'type'], type);
    }
  }
  if (model !== undefined && toPlain(model.node) !== 'simple_cnn')
    refuse(
      context,
      'modelName',
      model.keyOrigin,
      `is ${String(toPlain(model.node))}, which heddle does not have`,
      'describe the model under `model:`',
    );
  else if (model !== undefined)
    putValue(context, model.key, model.keyOrigin, ['model', 'type'], 'cifar10-cnn');

  const classes = TASK_PRESETS['cifar10-cnn'].classes;
  const partition = nodeAt(context.tree, ['data', 'partitioner', 'type']);
  const isDirichlet = partition?.kind === 'leaf' && partition.value === 'dirichlet';
  if (isDirichlet && alpha === undefined && dataset !== undefined)
    putValue(context, dataset.key, dataset.keyOrigin, ['data', 'partitioner', 'alpha'], 0.1 * classes);
  if (alpha !== undefined) {
    const perClass = Number(toPlain(alpha.node));
    if (!isDirichlet)
      note(
        context,
        'partitionAlpha',
        alpha.keyOrigin,
        'has no effect: the partition is not by Dirichlet draws',
      );
    else {
      putValue(context, alpha.key, alpha.keyOrigin, ['data', 'partitioner', 'alpha'], perClass * classes);
      note(
        context,
        'partitionAlpha',
        alpha.keyOrigin,
        `is ${perClass} for each of ${classes} classes; heddle's alpha multiplies a prior that sums to 1: ${perClass * classes}`,
      );
    }
  }
  if (size !== undefined) {
    const task = nodeAt(context.tree, ['data', 'task']);
    const examples = Number(toPlain(size.node));
    const preset = Object.entries(TASK_PRESETS).find(
      ([name]) => task?.kind === 'leaf' && task.value === name,
    )?.[1];
    if (preset === undefined || !(examples >= 1))
      refuse(
        context,
        'meanDatapointsPerUser',
        size.keyOrigin,
        'cannot be turned into a number of clients',
        'set data.partitioner.num-partitions',
      );
    else
      putValue(
        context,
        size.key,
        size.keyOrigin,
        ['data', 'partitioner', 'numPartitions'],
        Math.floor(preset.nTrainExamples / examples),
      );
  }
  if (distribution !== undefined && toPlain(distribution.node) !== 'constant')
    refuse(
      context,
      'datapointsPerUserDistribution',
      distribution.keyOrigin,
      `is ${String(toPlain(distribution.node))}; only constant can be mapped`,
      'choose a partitioner under data.partitioner',
    );
}

function expandAlgorithm(context: Context): void {
  const algorithm = take(context, 'algorithmName');
  if (algorithm !== undefined) {
    const name = toPlain(algorithm.node);
    if (name === 'fedavg')
      putValue(context, algorithm.key, algorithm.keyOrigin, ['strategy', 'type'], 'fedavg');
    else
      refuse(
        context,
        'algorithmName',
        algorithm.keyOrigin,
        `is ${String(name)}, which heddle cannot run from this file`,
        'choose strategy.type: fedavg or fedavgm',
      );
  }
  const weight = take(context, 'weightBySamples');
  if (weight !== undefined) {
    const value = toPlain(weight.node);
    if (typeof value !== 'boolean')
      refuse(
        context,
        'weightBySamples',
        weight.keyOrigin,
        'must be true or false',
        'set strategy.weighted-by',
      );
    else
      putValue(
        context,
        weight.key,
        weight.keyOrigin,
        ['strategy', 'weightedBy'],
        value ? 'num-examples' : 'uniform',
      );
  }
}

function expandPrivacy(context: Context): void {
  const mechanism = take(context, 'centralPrivacyMechanism');
  const parameters = ['centralEpsilon', 'centralPrivacyClippingBound', 'noiseCohortSize'] as const;
  const chosen = mechanism === undefined ? 'none' : String(toPlain(mechanism.node));
  if (mechanism !== undefined && chosen !== 'none' && chosen !== 'null')
    refuse(
      context,
      'centralPrivacyMechanism',
      mechanism.keyOrigin,
      `is ${chosen}, which derives the noise from epsilon; no accountant for that is available (available: none)`,
      'write the stages yourself: update.pipeline with clip and gaussian-noise, update.reduce: fixed-denominator',
    );
  for (const name of parameters) {
    const entry = take(context, name);
    if (entry === undefined) continue;
    if (chosen === 'none' || chosen === 'null')
      note(context, name, entry.keyOrigin, 'has no effect: central-privacy-mechanism is none');
    else note(context, name, entry.keyOrigin, `was not used; see central-privacy-mechanism`);
  }
}
