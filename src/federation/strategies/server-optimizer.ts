/** What the server does with the aggregate: w <- w + step(Delta). Deltas point downhill, so steps are added. */
import { InvalidArgumentError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';

export interface ServerOptimizer {
  readonly name: string;
  /** Names of the vectors of the model's size that it keeps between rounds, zero at first. */
  readonly stateNames: readonly string[];
  /** Updates `params` and the state in place from `delta`, which it may overwrite. */
  step(
    kernels: Kernels,
    params: Float32Array,
    delta: Float32Array,
    state: Readonly<Record<string, Float32Array>>,
  ): void;
}

export interface SgdOptions {
  /** Server learning rate, > 0. */
  lr: number;
  /** In [0, 1). Default: 0. */
  momentum?: number;
  /** Default: false. */
  nesterov?: boolean;
}

/**
 * v <- momentum v + Delta; w <- w + lr v, or with Nesterov w + lr (momentum v + Delta).
 *
 * @throws {InvalidArgumentError} for a rate that is not above 0 or a momentum outside [0, 1).
 * @see Hsu, Qi, Brown 2019, "Measuring the Effects of Non-Identical Data Distribution", FedAvgM.
 */
export function sgd({ lr, momentum = 0, nesterov = false }: SgdOptions): ServerOptimizer {
  if (!(lr > 0)) throw new InvalidArgumentError('server sgd', 'lr', 'a number above 0', lr);
  if (!(momentum >= 0 && momentum < 1))
    throw new InvalidArgumentError('server sgd', 'momentum', 'a number from 0 to below 1', momentum);
  if (momentum === 0)
    return {
      name: 'sgd',
      stateNames: [],
      step: (kernels, params, delta) => kernels.axpyF32(params, delta, lr),
    };
  return {
    name: 'sgdm',
    stateNames: ['velocity'],
    step(kernels, params, delta, { velocity }) {
      kernels.scaleF32(velocity, momentum);
      kernels.axpyF32(velocity, delta, 1);
      if (nesterov) kernels.axpyF32(delta, velocity, momentum);
      kernels.axpyF32(params, nesterov ? delta : velocity, lr);
    },
  };
}
