/** FedAvg and FedAvgM as strategy records. */
import type { Reducer } from '../../combine/reducers.js';
import { sgd } from './server-optimizer.js';
import { defineStrategy, type Strategy } from './strategy.js';

/** w <- w + lr * reduce(updates) (McMahan et al. 2017, algorithm 1; lr = 1 there). */
export function fedAvg({ reduce, lr = 1 }: { reduce: Reducer; lr?: number }): Strategy {
  return defineStrategy({
    name: 'fedavg',
    aggregate: { transforms: [], reduce, serverOptimizer: sgd({ lr }) },
  });
}

/** FedAvg with momentum on the server (Hsu et al. 2019). */
export function fedAvgM(options: {
  reduce: Reducer;
  lr?: number;
  /** In [0, 1). Default: 0.9. */
  momentum?: number;
  nesterov?: boolean;
}): Strategy {
  const { reduce, lr = 1, momentum = 0.9, nesterov = false } = options;
  return defineStrategy({
    name: 'fedavgm',
    aggregate: { transforms: [], reduce, serverOptimizer: sgd({ lr, momentum, nesterov }) },
  });
}
