import { InvalidArgumentError } from '../../errors.js';
import type { Dataset } from '../dataset.js';
import { EmptyClientError, PartitionError } from '../errors.js';
import type { Assignment } from './assignment.js';

/** A division that the caller has made: one list of example indices per client. */
export interface CustomPartition {
  readonly type: 'custom';
  readonly clients: readonly ArrayLike<number>[];
}

/** @throws {PartitionError} for an index outside the data set or one that two clients have. */
export function assignCustom(data: Dataset, { clients }: CustomPartition): Assignment {
  if (!Array.isArray(clients) || clients.length === 0)
    throw new InvalidArgumentError('partition', 'clients', 'a list with one index list per client', clients);
  const owner = new Int32Array(data.size).fill(-1);
  clients.forEach((indices: ArrayLike<number>, client) => {
    if (indices.length === 0) throw new EmptyClientError('custom', client, `${data.size} examples in all`);
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i];
      const problem = !(Number.isInteger(index) && index >= 0 && index < data.size)
        ? `index ${index} of client ${client} is not among the ${data.size} examples`
        : owner[index] >= 0
          ? `example ${index} belongs to clients ${owner[index]} and ${client}`
          : undefined;
      if (problem)
        throw new PartitionError('custom', problem, 'give every example to at most one client, by its index');
      owner[index] = client;
    }
  });
  const leftover = Array.from(owner.keys()).filter((index) => owner[index] < 0);
  return { clients, leftover, parameters: {} };
}
