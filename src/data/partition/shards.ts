import { randomKey } from '../../kernels/address.js';
import { permutationU32 } from '../../kernels/reference/permutation.js';
import type { Dataset } from '../dataset.js';
import { EmptyClientError, PartitionError } from '../errors.js';
import type { Assignment } from './assignment.js';
import { stableOrderByLabel } from './by-label.js';

export interface ShardsPartition {
  readonly type: 'shards';
  readonly numPartitions: number;
  /** Shards of one client; few shards mean few labels. Default: 2. */
  readonly shardsPerClient?: number;
  /** Examples of one shard. Default: as many as fill all shards equally. */
  readonly shardSize?: number;
}

/**
 * McMahan et al. 2017, section 3: examples in stable order of their label, cut into equal shards, `shardsPerClient`
 * dealt to each client at random without replacement. Examples behind the last shard (of the highest labels) are left
 * over. MNIST with 100 clients, 2 shards of 300: most clients hold two digits.
 */
export function assignShards(
  data: Dataset,
  spec: ShardsPartition,
  seed: number | string | bigint,
): Assignment {
  const { numPartitions, shardsPerClient = 2 } = spec;
  const numShards = numPartitions * shardsPerClient;
  const shardSize = spec.shardSize ?? Math.floor(data.size / numShards);
  if (shardSize === 0)
    throw new EmptyClientError('shards', 0, `${data.size} examples for ${numShards} shards`);
  if (numShards * shardSize > data.size)
    throw new PartitionError(
      'shards',
      `${numPartitions} clients x ${shardsPerClient} shards x ${shardSize} examples = ` +
        `${numShards * shardSize}, but the data set has ${data.size}`,
      `set shard-size to at most ${Math.floor(data.size / numShards)}, or use fewer partitions or shards`,
    );
  const order = stableOrderByLabel(data);
  const dealt = new Uint32Array(numShards);
  const { key0, key1 } = randomKey(seed, { purpose: 'partition' });
  permutationU32(dealt, key0, key1, 0, 0);
  const clients = Array.from({ length: numPartitions }, (_, k) => {
    const mine = new Uint32Array(shardsPerClient * shardSize);
    for (let s = 0; s < shardsPerClient; s++) {
      const shard = dealt[k * shardsPerClient + s];
      mine.set(order.subarray(shard * shardSize, (shard + 1) * shardSize), s * shardSize);
    }
    return mine;
  });
  return {
    clients,
    leftover: order.subarray(numShards * shardSize),
    parameters: { shardsPerClient, shardSize },
  };
}
