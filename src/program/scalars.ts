/** Start values of a program's run-time scalars. */
import { InvalidArgumentError } from '../errors.js';
import type { RandomKey } from '../kernels/address.js';
import type { BoundProgram } from './programs.js';

export interface StartOptions {
  /** Examples in the bound data set. */
  exampleCount: number;
  /** Learning rate; of no use to evaluation and Fisher. */
  lr?: number;
  /** Key of dropout (purpose `dropout`, round, client). Required where the model has dropout and trains. */
  dropoutKey?: RandomKey;
}

/**
 * Values in the order of `program.scalars`, for `JobRequest.scalars`:
 * `negLrOverBatch`, `negLrOverTail` = -lr / batch size (plain SGD: the loss gradient is scaled by it, and added to the weights);
 * `lr`; `decayFactor` = 1 - lr * weight decay; `step` counts from 0; `key0`, `key1` of dropout;
 * `beta1Power`, `beta2Power` = powers of Adam's betas, from the first; `exampleCount`.
 */
export function startScalars(program: BoundProgram, options: StartOptions): number[] {
  const { lr = 0, exampleCount, dropoutKey } = options;
  return program.scalars.map(({ name }) => {
    switch (name) {
      case 'exampleCount':
        return exampleCount;
      case 'negLrOverBatch':
        return -lr / program.batchSize;
      case 'negLrOverTail':
        return -lr / program.tailSize;
      case 'lr':
        return lr;
      case 'decayFactor':
        return 1 - lr * program.weightDecay;
      case 'step':
        return 0;
      case 'beta1Power':
        return program.beta1;
      case 'beta2Power':
        return program.beta2;
      case 'key0':
      case 'key1':
        if (!dropoutKey)
          throw new InvalidArgumentError(
            'startScalars',
            'dropoutKey',
            'a key, as the model has dropout',
            dropoutKey,
          );
        return dropoutKey[name];
      default:
        throw new RangeError(`the run-time scalar ${name} has no start value`);
    }
  });
}
