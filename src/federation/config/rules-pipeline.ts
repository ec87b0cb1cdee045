import type { Path } from '../../config/tree.js';
import type { CustomObjects } from './objects.js';
import { isPlainReduce, reduceName } from './reduce.js';
import type { CheckedConfig, Report } from './rule-context.js';
import { type StageKind, stageKind } from './stages.js';

/** A merge rule takes a coordinate that a client did not hold for one that it did not change. */
export function checkReduce(config: CheckedConfig, report: Report, { stages, reducer }: CustomObjects): void {
  const { reduce, pipeline } = config.update;
  // What an object makes of such coordinates is its own affair.
  if (config.strategy.type === 'custom' || isPlainReduce(reduce) || reducer !== undefined) return;
  pipeline.forEach((stage, at) => {
    const plans = 'custom' in stage && stages[stage.custom.index]?.plan !== undefined;
    if (!('fisherDropout' in stage) && !plans) return;
    const name = plans ? stage.custom.name : 'fisher-dropout';
    report(
      ['update', 'reduce'],
      `is ${reduceName(reduce)}, which merges whole models, but ${name} sends sub-models`,
      `set update.reduce to weighted-mean or mean-of-holders, or remove ${name}`,
      ['update', 'pipeline', at, stageKind(stage)],
    );
  });
}

/** Order of the stages, and options that belong to another form of a stage. */
export function checkPipeline(config: CheckedConfig, report: Report): void {
  const { pipeline } = config.update;
  const first = new Map<StageKind, number>();
  pipeline.forEach((stage, index) => {
    const kind = stageKind(stage);
    const path: Path = ['update', 'pipeline', index, kind];
    const before = first.get(kind);
    if (before === undefined) first.set(kind, index);
    else if (kind !== 'custom')
      report(path, `stands twice in the pipeline`, 'keep one of the two', [
        'update',
        'pipeline',
        before,
        kind,
      ]);
    if (kind === 'fisherDropout' && index > 0)
      report(
        path,
        'comes after another stage, but it chooses what a client trains',
        'make fisher-dropout the first stage',
      );
    if ('quantize' in stage && stage.quantize.format !== 'int8' && stage.quantize.block !== undefined)
      report(
        [...path, 'block'],
        `is set, but format ${stage.quantize.format} has no blocks`,
        'remove block, or set format to int8',
        [...path, 'format'],
      );
    const codes = first.get('quantize');
    if (kind === 'clip' && codes !== undefined)
      report(path, 'comes after quantize, which already made codes', 'put clip before quantize', [
        'update',
        'pipeline',
        codes,
        'quantize',
      ]);
    if (!('gaussianNoise' in stage)) return;
    const noise = stage.gaussianNoise;
    if (noise.where === 'client' && codes !== undefined)
      report(
        path,
        'is added by the client after quantize, which already made codes',
        'put gaussian-noise before quantize',
        ['update', 'pipeline', codes, 'quantize'],
      );
    if (noise.where === 'server' && index !== pipeline.length - 1)
      report(
        path,
        'is added by the server, after aggregation, but is not the last stage',
        'make it the last stage',
      );
    if (noise.where === 'client' && noise.noiseCohortSize !== undefined)
      report(
        [...path, 'noiseCohortSize'],
        'is set, but local noise (where: client) does not depend on the cohort',
        'remove it, or set where to server',
        [...path, 'where'],
      );
    const population = config.privacy.population;
    if (noise.noiseCohortSize !== undefined && population !== undefined && noise.noiseCohortSize > population)
      report(
        [...path, 'noiseCohortSize'],
        `is ${noise.noiseCohortSize}, more than privacy.population, ${population}`,
        'set privacy.population to the clients of the deployment',
        ['privacy', 'population'],
      );
  });
}
