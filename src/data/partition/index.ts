import { InvalidArgumentError } from '../../errors.js';
import { sha256Hex } from '../../platform/hash.js';
import type { Dataset } from '../dataset.js';
import { EmptyClientError } from '../errors.js';
import { sharedU32 } from '../shared-memory.js';
import type { Assignment } from './assignment.js';
import { assignCustom, type CustomPartition } from './custom.js';
import { assignDirichlet, type DirichletPartition } from './dirichlet.js';
import { assignIid, type IidPartition } from './iid.js';
import { assignNatural, type NaturalPartition } from './natural.js';
import { type PartitionReport, reportPartition } from './report.js';
import { assignShards, type ShardsPartition } from './shards.js';

export type PartitionSpec =
  | IidPartition
  | ShardsPartition
  | DirichletPartition
  | NaturalPartition
  | CustomPartition;

/** Who has which examples: disjoint lists of indices into one data set, each ascending. */
export interface Partition {
  readonly type: PartitionSpec['type'];
  readonly numClients: number;
  /** All clients' indices, one client after another; in shared memory where the host has it. */
  readonly indices: Uint32Array;
  /** Client k owns `indices[offsets[k] .. offsets[k + 1])`. */
  readonly offsets: Uint32Array;
  /** The same as one view per client. Made on first use: a view costs some 100 bytes, `client(k)` keeps none. */
  readonly clients: readonly Uint32Array[];
  /** View of client k's indices. */
  client(k: number): Uint32Array;
  /** Examples that no client has. */
  readonly leftover: Uint32Array;
  /** What the scheme used, defaults filled in. */
  readonly parameters: Assignment['parameters'];
  readonly report: PartitionReport;
  /** SHA-256 of the index lists (`partitionBytes`): part of a run's identity. */
  readonly hash: string;
}

/**
 * Splits a data set among clients; a pure function of the labels (or owners), the scheme and the seed.
 *
 * @throws {EmptyClientError} naming the first client that would have no examples.
 * @throws {PartitionError} if the scheme asks for more examples than there are, or for owners that are not known.
 * @throws {InvalidArgumentError} for a number out of range.
 * @example const { clients, report } = await partition(train, { type: 'shards', numPartitions: 100 }, 0);
 */
export async function partition(
  data: Dataset,
  spec: PartitionSpec,
  seed: number | string | bigint,
): Promise<Partition> {
  checkSpec(spec);
  const assignment = assign(data, spec, seed);
  const numClients = assignment.clients.length;
  const offsets = sharedU32(numClients + 1);
  for (let k = 0; k < numClients; k++) {
    const { length } = assignment.clients[k];
    if (length === 0) throw new EmptyClientError(spec.type, k, `${data.size} examples in all`);
    offsets[k + 1] = offsets[k] + length;
  }
  const indices = sharedU32(offsets[numClients]);
  for (let k = 0; k < numClients; k++) {
    const mine = indices.subarray(offsets[k], offsets[k + 1]);
    mine.set(assignment.clients[k]);
    mine.sort();
  }
  const leftover = Uint32Array.from(assignment.leftover).sort();
  const client = (k: number): Uint32Array => {
    if (!(Number.isInteger(k) && k >= 0 && k < numClients))
      throw new InvalidArgumentError('partition', 'client', `an integer from 0 to ${numClients - 1}`, k);
    return indices.subarray(offsets[k], offsets[k + 1]);
  };
  let views: readonly Uint32Array[] | undefined;
  return {
    type: spec.type,
    numClients,
    indices,
    offsets,
    get clients() {
      views ??= Array.from({ length: numClients }, (_, k) => client(k));
      return views;
    },
    client,
    leftover,
    parameters: assignment.parameters,
    report: reportPartition(data, indices, offsets, leftover.length),
    hash: await sha256Hex(partitionBytes(data.size, indices, offsets, leftover)),
  };
}

/**
 * Canonical bytes of a partition, little-endian 32-bit words: data set size, number of clients, then each client's size
 * and indices, then the number of leftover examples and their indices. Every list ascends.
 */
export function partitionBytes(
  size: number,
  indices: Uint32Array,
  offsets: Uint32Array,
  leftover: Uint32Array,
): Uint8Array {
  const numClients = offsets.length - 1;
  const bytes = new Uint8Array(4 * (2 + numClients + indices.length + 1 + leftover.length));
  const view = new DataView(bytes.buffer);
  let at = 0;
  const put = (word: number): void => {
    view.setUint32(at, word, true);
    at += 4;
  };
  put(size);
  put(numClients);
  for (let k = 0; k < numClients; k++) {
    put(offsets[k + 1] - offsets[k]);
    for (let i = offsets[k]; i < offsets[k + 1]; i++) put(indices[i]);
  }
  put(leftover.length);
  for (const index of leftover) put(index);
  return bytes;
}

/** Contents of `partition.json`: scheme, report and lists as plain values. */
export function partitionToJson(made: Partition): Record<string, unknown> {
  const { report } = made;
  const rows = Array.from({ length: report.numClients }, (_, k) =>
    Array.from(report.labelCounts.subarray(k * report.classes, (k + 1) * report.classes)),
  );
  return {
    type: made.type,
    hash: made.hash,
    parameters: made.parameters,
    report: {
      ...report,
      sizes: Array.from(report.sizes),
      labelCounts: rows,
      entropy: Array.from(report.entropy),
      totalVariation: Array.from(report.totalVariation),
      earthMovers: Array.from(report.earthMovers),
    },
    leftover: Array.from(made.leftover),
    clients: made.clients.map((mine) => Array.from(mine)),
  };
}

function assign(data: Dataset, spec: PartitionSpec, seed: number | string | bigint): Assignment {
  switch (spec.type) {
    case 'iid':
      return assignIid(data.size, spec, seed);
    case 'shards':
      return assignShards(data, spec, seed);
    case 'dirichlet':
      return assignDirichlet(data, spec, seed);
    case 'natural':
      return assignNatural(data);
    case 'custom':
      return assignCustom(data, spec);
    default:
      return spec satisfies never;
  }
}

function checkSpec(spec: PartitionSpec): void {
  const atLeastOne = (name: string, value: number | undefined): void => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1 && value <= 0xffffffff))
      throw new InvalidArgumentError('partition', name, 'an integer of at least 1', value);
  };
  switch (spec.type) {
    case 'iid':
      atLeastOne('numPartitions', spec.numPartitions);
      break;
    case 'shards':
      atLeastOne('numPartitions', spec.numPartitions);
      atLeastOne('shardsPerClient', spec.shardsPerClient);
      atLeastOne('shardSize', spec.shardSize);
      break;
    case 'dirichlet':
      atLeastOne('numPartitions', spec.numPartitions);
      atLeastOne('partitionSize', spec.partitionSize);
      if (!(Number.isFinite(spec.alpha) && spec.alpha > 0))
        throw new InvalidArgumentError('partition', 'alpha', 'a finite number above 0', spec.alpha);
      break;
    case 'natural':
    case 'custom':
      break;
    default:
      throw new InvalidArgumentError(
        'partition',
        'type',
        'iid, shards, dirichlet, natural or custom',
        (spec as { type: unknown }).type,
      );
  }
}
