import type { Path } from '../../config/tree.js';
import { cohortSizeOf } from '../sampling.js';
import type { CustomObjects } from './objects.js';
import type { SimulateConfig } from './schema.js';

/** A configuration whose keys are each valid, before defaults that depend on other keys are filled in. */
export type CheckedConfig = Omit<SimulateConfig, 'strategy'> & {
  strategy: Omit<SimulateConfig['strategy'], 'serverOptimizer'> & {
    serverOptimizer?: SimulateConfig['strategy']['serverOptimizer'];
  };
};

/** Adds a problem at `path`; `other` is the key that it contradicts, whose place is named too. */
export type Report = (path: Path, message: string, hint: string, other?: Path) => void;

/** Number of clients, where the configuration and the objects beside it tell. */
export function knownPopulation(
  config: Pick<SimulateConfig, 'data'>,
  objects: CustomObjects = { stages: [] },
): number | undefined {
  const partitioner = config.data.partitioner;
  return 'numPartitions' in partitioner ? partitioner.numPartitions : namedClients(objects.dataset);
}

/** Clients of a round (the expected number under Poisson sampling) for a population of that size. */
export function configuredCohortSize(
  strategy: Pick<SimulateConfig['strategy'], 'cohortSize' | 'fractionTrain'>,
  population: number,
): number {
  return strategy.cohortSize ?? cohortSizeOf(strategy.fractionTrain ?? 0, population);
}

/** Clients that a dataset object names itself (the natural partition), or undefined. */
export function namedClients(dataset: object | undefined): number | undefined {
  const train = (dataset as { train?: object } | undefined)?.train ?? dataset;
  const names = (train as { clientNames?: unknown } | undefined)?.clientNames;
  return Array.isArray(names) ? names.length : undefined;
}
