import type { Dataset } from '../dataset.js';
import { EmptyClientError, PartitionError } from '../errors.js';
import type { Assignment } from './assignment.js';

export interface NaturalPartition {
  readonly type: 'natural';
}

/** Examples stay with their owner: client k is owner k of the data set (`clientOf`). */
export function assignNatural(data: Dataset): Assignment {
  const { clientOf, clientNames } = data;
  if (clientOf === undefined || clientNames === undefined)
    throw new PartitionError(
      'natural',
      `${data.name} does not say whose its examples are`,
      'pass clientOf to dataset(), or choose iid, shards or dirichlet',
    );
  const clients: number[][] = clientNames.map(() => []);
  for (let i = 0; i < data.size; i++) clients[clientOf[i]].push(i);
  for (let k = 0; k < clients.length; k++)
    if (clients[k].length === 0)
      throw new EmptyClientError('natural', k, `${clientNames[k]} owns no examples of ${data.name}`);
  return { clients, leftover: [], parameters: {} };
}
