import type { Aggregator } from '../combine/aggregator.js';
import type { ClientStateStore } from './client-state.js';
import type { RunSetup } from './setup.js';

/** Vectors and accumulators that live as long as the run. */
export interface RoundState {
  readonly clients: ClientStateStore;
  readonly aggregator?: Aggregator;
  readonly delta: Float32Array;
  readonly serverState: Readonly<Record<string, Float32Array>>;
  /** The global model before the first round, for a reduction that is anchored there. */
  readonly initial?: Float32Array;
}

/** A client that clips cannot exceed its bound by more than a quantizer adds. */
const kRejectAbove = 4;

export function createRoundState(setup: RunSetup, clients: ClientStateStore): RoundState {
  const { strategy, kernels, params, pipeline, cohortSize } = setup;
  const { aggregate } = strategy;
  const size = params.length;
  const pipelined = typeof aggregate === 'function' ? undefined : aggregate;
  const anchored = pipelined?.reduce.kind === 'gathering' && pipelined.reduce.anchor === 'initial';
  return {
    clients,
    aggregator:
      pipelined?.reduce.kind === 'streaming'
        ? pipelined.reduce.create({
            kernels,
            size,
            maxNorm: pipeline.maxNorm,
            rejectAbove: pipeline.maxNorm === undefined ? undefined : kRejectAbove,
            expectedWeight: cohortSize * expectedClientWeight(setup),
          })
        : undefined,
    delta: new Float32Array(size),
    serverState: Object.fromEntries(
      (pipelined?.serverOptimizer.stateNames ?? []).map((name) => [name, new Float32Array(size)]),
    ),
    ...(anchored && { initial: params.slice() }),
  };
}

/** Integer weight of a client: 1, or its examples up to the cap. */
export function clientWeight({ config }: RunSetup, nExamples: number): number {
  const { weightedBy, weightCap } = config.strategy;
  return weightedBy === 'uniform' ? 1 : Math.min(nExamples, weightCap ?? nExamples);
}

/** The public weight of one expected client: the cap where there is one, else the mean. */
function expectedClientWeight({ config, partition }: RunSetup): number {
  const { weightedBy, weightCap } = config.strategy;
  if (weightedBy === 'uniform') return 1;
  return weightCap ?? partition.indices.length / partition.numClients;
}
