import { randomKey } from '../../kernels/address.js';
import { permutationU32 } from '../../kernels/reference/permutation.js';
import { philox4x32 } from '../../kernels/reference/philox.js';
import { countLabels, type Dataset } from '../dataset.js';
import { EmptyClientError, PartitionError } from '../errors.js';
import type { Assignment } from './assignment.js';
import { stableOrderByLabel, startOfLabels } from './by-label.js';
import { logDirichletWeights, openUniform, softmaxOfLogWeights } from './gamma.js';

export interface DirichletPartition {
  readonly type: 'dirichlet';
  readonly numPartitions: number;
  /**
   * Above 0; multiplies the class prior, which sums to one. With ten equal classes alpha = 1 is a symmetric Dirichlet
   * of concentration 0.1 per class: papers that give the concentration per class mean a ten times larger number.
   */
  readonly alpha: number;
  /** Examples of each client. Default: floor(N / numPartitions). */
  readonly partitionSize?: number;
}

/** Under a client's key: counters of the example draws, apart from those of the proportions. */
const stepProportions = 0;
const stepExamples = 1;

/**
 * Dirichlet by client (Hsu, Qi and Brown 2019, arXiv 1909.06335, section 3): client k draws class proportions
 * `q_k ~ Dir(alpha * p)`, p the class prior of the data set, and then `partitionSize` examples, each by a draw of its
 * class from q_k and without replacement. A class that runs out is struck out and q_k normalised again; clients draw
 * one after another, so it is the last ones that meet empty classes. All clients have equal sizes; the remainder of
 * N / K is left over.
 */
export function assignDirichlet(
  data: Dataset,
  spec: DirichletPartition,
  seed: number | string | bigint,
): Assignment {
  const { numPartitions, alpha } = spec;
  const size = spec.partitionSize ?? Math.floor(data.size / numPartitions);
  if (size === 0)
    throw new EmptyClientError('dirichlet', 0, `${data.size} examples for ${numPartitions} clients`);
  if (size * numPartitions > data.size)
    throw new PartitionError(
      'dirichlet',
      `${numPartitions} clients x ${size} examples = ${numPartitions * size}, but the data set has ${data.size}`,
      `set partition-size to at most ${Math.floor(data.size / numPartitions)}, or use fewer partitions`,
    );
  const remaining = countLabels(data);
  const starts = startOfLabels(remaining);
  const pools = shuffledPools(data, remaining, starts, seed);
  const next = Uint32Array.from(starts);
  const concentration = Array.from(remaining, (count) => (alpha * count) / data.size);
  const clients: Uint32Array[] = [];
  for (let client = 0; client < numPartitions; client++) {
    const key = randomKey(seed, { purpose: 'partition', entity: client + 1 });
    const logWeights = logDirichletWeights(concentration, key, stepProportions);
    for (let c = 0; c < remaining.length; c++)
      if (remaining[c] === 0) logWeights[c] = Number.NEGATIVE_INFINITY;
    let q = softmaxOfLogWeights(logWeights);
    const mine = new Uint32Array(size);
    for (let j = 0; j < size; j++) {
      const words = philox4x32(j, 0, stepExamples, 0, key.key0, key.key1);
      const c = drawClass(q, openUniform(words[0], words[1]));
      mine[j] = pools[next[c]++];
      if (--remaining[c] === 0) {
        logWeights[c] = Number.NEGATIVE_INFINITY;
        q = softmaxOfLogWeights(logWeights);
      }
    }
    clients.push(mine);
  }
  return {
    clients,
    leftover: leftInPools(pools, next, starts, data.size),
    parameters: { family: 'by-client', alpha, concentration, partitionSize: size },
  };
}

/** Every class's examples in random order, classes one after another. */
function shuffledPools(
  data: Dataset,
  counts: Uint32Array,
  starts: Uint32Array,
  seed: number | string | bigint,
): Uint32Array {
  const pools = stableOrderByLabel(data);
  const { key0, key1 } = randomKey(seed, { purpose: 'partition' });
  for (let c = 0; c < counts.length; c++) {
    const sorted = pools.slice(starts[c], starts[c] + counts[c]);
    const order = new Uint32Array(counts[c]);
    permutationU32(order, key0, key1, 0, c);
    for (let i = 0; i < order.length; i++) pools[starts[c] + i] = sorted[order[i]];
  }
  return pools;
}

/** Class of a uniform number by cumulative probability; rounding at the top falls to the last class that has any. */
function drawClass(q: Float64Array, u: number): number {
  let cumulative = 0;
  let last = 0;
  for (let c = 0; c < q.length; c++) {
    if (q[c] === 0) continue;
    cumulative += q[c];
    last = c;
    if (u < cumulative) return c;
  }
  return last;
}

function leftInPools(pools: Uint32Array, next: Uint32Array, starts: Uint32Array, size: number): number[] {
  const left: number[] = [];
  for (let c = 0; c < starts.length; c++) {
    const end = c + 1 < starts.length ? starts[c + 1] : size;
    for (let i = next[c]; i < end; i++) left.push(pools[i]);
  }
  return left;
}
