import { type RandomKey, randomKey } from '../../kernels/address.js';
import { permutationU32 } from '../../kernels/reference/permutation.js';
import { type Assignment, evenSizes } from './assignment.js';

export interface IidPartition {
  readonly type: 'iid';
  readonly numPartitions: number;
}

/** Shuffled and cut into K parts of floor(N / K), one more for the first N mod K. Nothing is left over. */
export function assignIid(size: number, spec: IidPartition, seed: number | string | bigint): Assignment {
  const sizes = evenSizes('iid', size, spec.numPartitions);
  const order = shuffled(size, randomKey(seed, { purpose: 'partition' }));
  let start = 0;
  const clients = sizes.map((length) => {
    start += length;
    return order.subarray(start - length, start);
  });
  return { clients, leftover: [], parameters: {} };
}

function shuffled(size: number, key: RandomKey): Uint32Array {
  const order = new Uint32Array(size);
  permutationU32(order, key.key0, key.key1, 0, 0);
  return order;
}
