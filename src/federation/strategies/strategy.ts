/** A federated algorithm as a small record; the engine runs the rest. */
import type { Reducer } from '../../combine/reducers.js';
import { InvalidArgumentError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';
import type { ServerOptimizer } from './server-optimizer.js';

export interface SelectContext {
  /** From 0. */
  readonly round: number;
  readonly population: number;
  readonly cohortSize: number;
  readonly seed: number | string | bigint;
}

/** One decoded update, borrowed until the next step of the iteration. */
export interface ClientUpdate {
  readonly client: number;
  /** Rank in the cohort. */
  readonly slot: number;
  /** Trained minus received values, in the layout of the global model. */
  readonly update: Float32Array;
  readonly weight: number;
}

export interface AggregateContext {
  readonly round: number;
  readonly kernels: Kernels;
  readonly size: number;
  /** The global model of this round; read only. */
  readonly params: Float32Array;
}

/** Changes every decoded update in place before the reduction; returns the weight to use. */
export interface Transform {
  readonly name: string;
  apply(update: Float32Array, context: AggregateContext & { client: number; weight: number }): number;
}

/** transforms -> reduce -> server optimiser, all in update space. */
export interface AggregationPipeline {
  readonly transforms: readonly Transform[];
  readonly reduce: Reducer;
  readonly serverOptimizer: ServerOptimizer;
}

/** Takes the updates in cohort order and returns what is added to the global model. */
export type AggregateFunction = (
  updates: AsyncIterable<ClientUpdate>,
  context: AggregateContext,
) => Promise<Float32Array>;

export interface Strategy {
  readonly name: string;
  /** Client ids of the cohort, ascending and different. Default: what the configuration's `sampling` says. */
  select?(context: SelectContext): Uint32Array;
  /** Proximal term of the local objective: g += mu (w - w_received), mu >= 0 (Li et al. 2018, FedProx). */
  readonly client?: { readonly proximal?: number };
  readonly aggregate: AggregationPipeline | AggregateFunction;
}

/**
 * Checks a strategy record and returns it.
 *
 * @example defineStrategy({ name: 'trim', aggregate: { transforms: [], reduce: trimmedMean({ trim: 0.1 }), serverOptimizer: sgd({ lr: 1 }) } })
 * @throws {InvalidArgumentError} naming what is missing.
 */
export function defineStrategy(strategy: Strategy): Strategy {
  const { name, aggregate, select, client } = strategy;
  const where = 'defineStrategy';
  if (typeof name !== 'string' || name === '') throw new InvalidArgumentError(where, 'name', 'a name', name);
  if (select !== undefined && typeof select !== 'function')
    throw new InvalidArgumentError(where, 'select', 'a function', select);
  if (client?.proximal !== undefined && !(client.proximal >= 0 && Number.isFinite(client.proximal)))
    throw new InvalidArgumentError(
      where,
      'client.proximal',
      'a finite number of at least 0',
      client.proximal,
    );
  if (typeof aggregate === 'function') return Object.freeze({ ...strategy });
  if (
    !Array.isArray(aggregate?.transforms) ||
    !aggregate.transforms.every((each: Partial<Transform> | undefined) => typeof each?.apply === 'function')
  )
    throw new InvalidArgumentError(
      where,
      'aggregate.transforms',
      'a list of transforms with apply (may be empty)',
      aggregate?.transforms,
    );
  if (!isReducer(aggregate.reduce))
    throw new InvalidArgumentError(
      where,
      'aggregate.reduce',
      'a reducer, as trimmedMean({ trim: 0.1 })',
      aggregate.reduce,
    );
  if (typeof aggregate.serverOptimizer?.step !== 'function')
    throw new InvalidArgumentError(
      where,
      'aggregate.serverOptimizer',
      'a server optimizer, as sgd({ lr: 1 })',
      aggregate.serverOptimizer,
    );
  return Object.freeze({ ...strategy });
}

function isReducer(reduce: Partial<Reducer> | undefined): boolean {
  if (typeof reduce?.name !== 'string') return false;
  if (reduce.kind === 'streaming') return typeof reduce.create === 'function';
  return reduce.kind === 'gathering' && typeof reduce.reduce === 'function';
}
