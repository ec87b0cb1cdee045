import { dottedPath } from '../../config/names.js';
import type { CustomObjects } from './objects.js';
import { type CheckedConfig, configuredCohortSize, knownPopulation, type Report } from './rule-context.js';

/** Local training: options that belong to another optimiser or schedule. */
export function checkClient({ client }: CheckedConfig, report: Report): void {
  const onlyFor = (
    key: keyof typeof client,
    isSet: boolean,
    fits: boolean,
    other: 'optimizer' | 'lrSchedule',
    needed: string,
  ) => {
    if (isSet && !fits)
      report(
        ['client', key],
        `is set, but client.${dottedPath([other])} is ${client[other]}`,
        `set client.${dottedPath([other])} to ${needed}, or remove ${dottedPath(['client', key])}`,
        ['client', other],
      );
  };
  const sgdm = client.optimizer === 'sgdm';
  onlyFor('momentum', client.momentum !== undefined && client.momentum !== 0, sgdm, 'optimizer', 'sgdm');
  onlyFor('nesterov', client.nesterov, sgdm, 'optimizer', 'sgdm');
  onlyFor(
    'lrStepEvery',
    client.lrStepEvery !== undefined,
    client.lrSchedule === 'step',
    'lrSchedule',
    'step',
  );
  const decays = client.lrSchedule === 'step' || client.lrSchedule === 'exp';
  onlyFor('lrGamma', client.lrGamma !== undefined, decays, 'lrSchedule', 'step or exp');
  if (client.nesterov && client.momentum === 0)
    report(['client', 'nesterov'], 'needs a momentum above 0', 'set client.momentum, as 0.9', [
      'client',
      'momentum',
    ]);
}

/** Cohort, weights and server step. */
export function checkStrategy(config: CheckedConfig, report: Report, objects: CustomObjects): void {
  const { strategy } = config;
  const population = knownPopulation(config, objects);
  if (population !== undefined && strategy.cohortSize !== undefined && strategy.cohortSize > population)
    report(
      ['strategy', 'cohortSize'],
      `is ${strategy.cohortSize}, more than the ${population} clients of the partition`,
      `set strategy.cohort-size to at most ${population}, or make more partitions`,
      ['data', 'partitioner', 'numPartitions'],
    );
  const cohort = population === undefined ? strategy.cohortSize : configuredCohortSize(strategy, population);
  if (cohort !== undefined && strategy.sampling === 'uniform' && strategy.minReports > cohort)
    report(
      ['strategy', 'minReports'],
      `is ${strategy.minReports}, more than the ${cohort} clients of a round`,
      `set it to at most ${cohort}`,
    );

  if (strategy.name !== undefined && strategy.type !== 'custom')
    report(
      ['strategy', 'name'],
      `is set, but strategy.type is ${strategy.type}`,
      'remove strategy.name; it stands for an object passed in TypeScript',
      ['strategy', 'type'],
    );
  const momentum = strategy.type === 'fedavgm';
  const optimizer = strategy.serverOptimizer ?? (momentum ? 'sgdm' : 'sgd');
  if (momentum && optimizer === 'sgd')
    report(
      ['strategy', 'serverOptimizer'],
      'is sgd, but strategy.type fedavgm is server momentum',
      'set it to sgdm, or strategy.type to fedavg',
      ['strategy', 'type'],
    );
  else if (optimizer === 'sgd')
    for (const key of ['serverMomentum', 'serverNesterov'] as const)
      if (strategy[key])
        report(
          ['strategy', key],
          'is set, but the server optimiser is sgd',
          'set strategy.server-optimizer to sgdm, or strategy.type to fedavgm',
          ['strategy', 'serverOptimizer'],
        );
  if (strategy.serverNesterov && strategy.serverMomentum === 0)
    report(
      ['strategy', 'serverNesterov'],
      'needs a momentum above 0',
      'set strategy.server-momentum, as 0.9',
      ['strategy', 'serverMomentum'],
    );
  if (strategy.weightCap !== undefined && strategy.weightedBy === 'uniform')
    report(
      ['strategy', 'weightCap'],
      'is set, but strategy.weighted-by is uniform',
      'set strategy.weighted-by to num-examples, or remove the cap',
      ['strategy', 'weightedBy'],
    );
}
