import type { GatheringReducer, WantedStatistics } from '../../combine/reducers.js';
import { type ConfigProblem, formatOrigin } from '../../config/errors.js';
import { dottedPath, nearest } from '../../config/names.js';
import { type ConfigNode, nodeAt, originAt, type Path } from '../../config/tree.js';
import {
  checkPrivacyRules,
  type PrivacyPlan,
  type PrivacyStage,
  type PrivacyVerdict,
} from '../../privacy/rules.js';
import type { Stage } from '../../update/stage.js';
import { METRIC } from '../events.js';
import type { CustomObjects } from './objects.js';
import { isPlainReduce, reduceName } from './reduce.js';
import { type CheckedConfig, configuredCohortSize, knownPopulation, type Report } from './rule-context.js';
import { checkData } from './rules-data.js';
import { checkPipeline, checkReduce } from './rules-pipeline.js';
import { checkClient, checkStrategy } from './rules-training.js';
import { type StageConfig, stageKind } from './stages.js';
import { EXCLUSIVE_PAIRS } from './tasks.js';

/** Metrics that every run records and that can be a target. */
export const TARGET_METRICS: readonly string[] = [
  METRIC.centralAccuracy,
  METRIC.centralLoss,
  METRIC.trainAccuracy,
  METRIC.trainLoss,
  METRIC.trainLossAfter,
];

/** What the privacy rules see of a configuration. */
export function privacyPlan(config: CheckedConfig, objects: CustomObjects = { stages: [] }): PrivacyPlan {
  const population = knownPopulation(config, objects);
  return {
    stages: config.update.pipeline.map((stage) => privacyStage(stage, objects)),
    // A strategy record reduces by itself; nothing is known about its denominator.
    reduce: config.strategy.type === 'custom' ? 'custom' : reductionName(config, objects),
    merges: config.strategy.type !== 'custom' && !isPlainReduce(config.update.reduce),
    measured: measuredBy(config, objects),
    weightedBy: config.strategy.weightedBy,
    weightCap: config.strategy.weightCap,
    cohortSize:
      population === undefined
        ? config.strategy.cohortSize
        : configuredCohortSize(config.strategy, population),
    accountant: config.privacy.accountant,
    unaccounted: config.privacy.unaccounted,
  };
}

function reductionName({ update: { reduce } }: CheckedConfig, { reducer }: CustomObjects): string {
  return reducer?.name ?? reduceName(reduce);
}

const MEASURED: Readonly<Record<WantedStatistics['kind'], string>> = {
  fisher: 'Fisher information',
  'input-grams': 'Gram matrices of inputs',
};

/** What clients send beside their updates, in words. */
function measuredBy(
  { strategy, update: { reduce } }: CheckedConfig,
  objects: CustomObjects,
): string | undefined {
  const aggregate = objects.strategy?.aggregate as { reduce?: Partial<GatheringReducer> } | undefined;
  const object =
    strategy.type === 'custom' ? aggregate?.reduce : (objects.reducer as Partial<GatheringReducer>);
  if (object?.statistics) return MEASURED[object.statistics.kind];
  if (strategy.type === 'custom' || isPlainReduce(reduce)) return undefined;
  if (reduce.type === 'fisher') return MEASURED.fisher;
  return reduce.type === 'regmean' ? MEASURED['input-grams'] : undefined;
}

/** What may be claimed about the privacy of a run with this configuration. */
export function privacyVerdict(config: CheckedConfig, objects?: CustomObjects): PrivacyVerdict {
  return checkPrivacyRules(privacyPlan(config, objects));
}

function privacyStage(stage: StageConfig, objects: CustomObjects): PrivacyStage {
  if ('fisherDropout' in stage) return { kind: 'sub-model', selection: stage.fisherDropout.selection };
  if ('clip' in stage) return { kind: 'clip', maxNorm: stage.clip.maxNorm };
  if ('quantize' in stage) return { kind: 'quantize' };
  if ('gaussianNoise' in stage) {
    const { where, source, noiseCohortSize } = stage.gaussianNoise;
    return { kind: 'gaussian-noise', where, source, noiseCohortSize };
  }
  return privacyOfObject(stage.custom.name, objects.stages[stage.custom.index]);
}

/** A stage object shows its bound, its noise and that it chooses a support; the rest of it is unknown. */
function privacyOfObject(name: string, stage: Stage | undefined): PrivacyStage {
  if (stage?.centralNoise !== undefined) {
    const { source, noiseCohortSize } = stage.centralNoise;
    return { kind: 'gaussian-noise', where: 'server', source, noiseCohortSize };
  }
  // `plan` is handed the client's Fisher information, so its choice counts as private.
  if (stage?.plan !== undefined) return { kind: 'sub-model', selection: 'private-fisher' };
  if (stage?.maxNorm !== undefined) return { kind: 'clip', maxNorm: stage.maxNorm };
  return { kind: 'custom', name };
}

/** Checks what single keys cannot tell: pairs that contradict each other, and orders that make no sense. */
export function checkRules(config: CheckedConfig, tree: ConfigNode, objects: CustomObjects): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report = reporter(tree, problems);
  checkData(config, report, objects);
  checkClient(config, report);
  checkStrategy(config, report, objects);
  checkPipeline(config, report);
  checkReduce(config, report, objects);
  checkRun(config, report, objects);
  checkStrategyObject(config, report, tree);
  for (const { subject, message, hint } of privacyVerdict(config, objects).problems) {
    if (subject.part === 'stage') {
      const stage = config.update.pipeline[subject.index];
      const kind: Path = stage === undefined ? [] : [stageKind(stage)];
      report(['update', 'pipeline', subject.index, ...kind], message, hint);
    } else {
      const path: Path = subject.part === 'reduce' ? ['update', 'reduce'] : ['strategy', 'weightedBy'];
      report(path, message, hint, noisePath(config));
    }
  }
  return problems;
}

/** Pairs of which only one may be given. Looks at what was written, so that it works beside other mistakes. */
export function checkPairs(tree: ConfigNode): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report = reporter(tree, problems);
  for (const { section, keys } of EXCLUSIVE_PAIRS) {
    const [one, other] = [
      [section, keys[0]],
      [section, keys[1]],
    ];
    if (nodeAt(tree, one) === undefined || nodeAt(tree, other) === undefined) continue;
    const [first, second] = [dottedPath(one), dottedPath(other)];
    report(
      one,
      `contradicts ${second}`,
      `keep one of ${first} and ${second}; -c ${first}=null takes back what a file sets`,
      other,
    );
  }
  return problems;
}

function reporter(tree: ConfigNode, problems: ConfigProblem[]): Report {
  return (path, message, hint, other) => {
    const isWritten = other !== undefined && nodeAt(tree, other) !== undefined;
    const beside = isWritten ? ` (${formatOrigin(originAt(tree, other))})` : '';
    problems.push({ ...originAt(tree, path), path: dottedPath(path), message: `${message}${beside}`, hint });
  };
}

/** A strategy record brings its own reduction and server step. */
function checkStrategyObject({ strategy }: CheckedConfig, report: Report, tree: ConfigNode): void {
  if (strategy.type !== 'custom') return;
  const own: readonly Path[] = [
    ['update', 'reduce'],
    ['strategy', 'serverOptimizer'],
    ['strategy', 'serverMomentum'],
    ['strategy', 'serverLr'],
  ];
  for (const path of own)
    if (nodeAt(tree, path) !== undefined)
      report(
        path,
        'is set, but the strategy object aggregates by itself',
        'set it inside the strategy object',
        ['strategy', 'type'],
      );
}

function noisePath(config: CheckedConfig): Path | undefined {
  const index = config.update.pipeline.findIndex((stage) => 'gaussianNoise' in stage);
  return index < 0 ? undefined : ['update', 'pipeline', index, 'gaussianNoise'];
}

function checkRun(config: CheckedConfig, report: Report, objects: CustomObjects): void {
  const { run, backend } = config;
  if (run.stopAtTarget && run.targetValue === undefined)
    report(
      ['run', 'stopAtTarget'],
      'is true, but there is no run.target-value',
      'set run.target-value, as 0.9',
    );
  if (!config.eval.central && run.targetValue !== undefined && run.targetMetric.startsWith('central-val/'))
    report(
      ['run', 'targetMetric'],
      `is ${run.targetMetric}, but eval.central is false`,
      'set eval.central to true, or choose a train/ metric',
      ['eval', 'central'],
    );
  const ownMetrics =
    objects.strategy !== undefined || objects.trainer !== undefined || config.client.trainer !== undefined;
  if (!ownMetrics && !TARGET_METRICS.some((metric) => metric === run.targetMetric)) {
    const near = nearest(run.targetMetric, TARGET_METRICS);
    report(
      ['run', 'targetMetric'],
      `is ${run.targetMetric}, which no run of this kind records`,
      near === undefined ? `choose one of ${TARGET_METRICS.join(', ')}` : `did you mean "${near}"?`,
    );
  }
  if (backend.isa !== undefined && backend.type !== 'native' && backend.type !== 'auto')
    report(
      ['backend', 'isa'],
      `is set, but backend.type is ${backend.type}`,
      'remove backend.isa, or set backend.type to native',
      ['backend', 'type'],
    );
}
