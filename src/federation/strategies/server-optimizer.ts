/** What the server does with the aggregate: w <- w + step(Delta). Deltas point downhill, so steps are added. */
import { InvalidArgumentError } from '../../errors.js';
import type { Kernels } from '../../kernels/kernels.js';

export interface ServerOptimizer {
  readonly name: string;
  /** Names of the vectors of the model's size that it keeps between rounds, zero at first. */
  readonly stateNames: readonly string[];
  /**
   * Updates `params` and the state in place from `delta`, which it may overwrite.
   *
   * @param held - 1 where some client held the coordinate this round; parameters and state of the others stay as they are to
   *   the bit, whatever momentum they have. Absent: all were held.
   */
  step(
    kernels: Kernels,
    params: Float32Array,
    delta: Float32Array,
    state: Readonly<Record<string, Float32Array>>,
    held?: Uint8Array,
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
 * @throws {InvalidArgumentError} for a rate that is not finite and above 0, or a momentum outside [0, 1).
 * @see Hsu, Qi, Brown 2019, "Measuring the Effects of Non-Identical Data Distribution", FedAvgM.
 */
export function sgd({ lr, momentum = 0, nesterov = false }: SgdOptions): ServerOptimizer {
  if (!(lr > 0 && Number.isFinite(lr)))
    throw new InvalidArgumentError('server sgd', 'lr', 'a finite number above 0', lr);
  if (!(momentum >= 0 && momentum < 1))
    throw new InvalidArgumentError('server sgd', 'momentum', 'a number from 0 to below 1', momentum);
  if (momentum === 0)
    return {
      name: 'sgd',
      stateNames: [],
      step(kernels, params, delta, _state, held) {
        const before = held && params.slice();
        kernels.axpyF32(params, delta, lr);
        if (held && before) restoreUnheld(params, before, held);
      },
    };
  return {
    name: 'sgdm',
    stateNames: ['velocity'],
    step(kernels, params, delta, { velocity }, held) {
      const before = held && { params: params.slice(), velocity: velocity.slice() };
      kernels.scaleF32(velocity, momentum);
      kernels.axpyF32(velocity, delta, 1);
      if (nesterov) kernels.axpyF32(delta, velocity, momentum);
      kernels.axpyF32(params, nesterov ? delta : velocity, lr);
      if (held && before) {
        restoreUnheld(params, before.params, held);
        restoreUnheld(velocity, before.velocity, held);
      }
    },
  };
}

/** Not a test for a zero in the delta: adding +0 would turn a weight of -0 into +0. */
function restoreUnheld(values: Float32Array, before: Float32Array, held: Uint8Array): void {
  for (let i = 0; i < values.length; i++) if (held[i] === 0) values[i] = before[i];
}
