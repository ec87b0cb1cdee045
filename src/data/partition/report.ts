import { countLabels, type Dataset } from '../dataset.js';
import { logF64 } from './elementary.js';

/** How a partition is distributed; vectors have one entry per client. */
export interface PartitionReport {
  readonly numClients: number;
  readonly classes: number;
  /** Examples of the data set, and how many of them no client has. */
  readonly totalExamples: number;
  readonly leftoverExamples: number;
  readonly sizes: Uint32Array;
  /** Row-major, one row of `classes` counts per client. */
  readonly labelCounts: Uint32Array;
  /** Shannon entropy of each client's labels in nats, 0 .. ln(classes). */
  readonly entropy: Float64Array;
  /** `1/2 sum_c |p_k(c) - p(c)|` against the labels of the whole data set, 0 .. 1. */
  readonly totalVariation: Float64Array;
  /** `sum_c |p_k(c) - p(c)|`, twice the total variation: the "earth mover's distance" of Zhao et al. 2018. */
  readonly earthMovers: Float64Array;
  readonly meanTotalVariation: number;
  readonly meanEntropy: number;
}

export function reportPartition(
  data: Dataset,
  indices: Uint32Array,
  offsets: Uint32Array,
  leftoverExamples: number,
): PartitionReport {
  const numClients = offsets.length - 1;
  const { classes } = data;
  const global = countLabels(data);
  const sizes = new Uint32Array(numClients);
  const labelCounts = new Uint32Array(numClients * classes);
  const entropy = new Float64Array(numClients);
  const totalVariation = new Float64Array(numClients);
  const earthMovers = new Float64Array(numClients);
  for (let k = 0; k < numClients; k++) {
    const counts = labelCounts.subarray(k * classes, (k + 1) * classes);
    for (let i = offsets[k]; i < offsets[k + 1]; i++) counts[data.y[indices[i]]]++;
    sizes[k] = offsets[k + 1] - offsets[k];
    for (let c = 0; c < classes; c++) {
      const share = counts[c] / sizes[k];
      if (share > 0) entropy[k] -= share * logF64(share);
      earthMovers[k] += Math.abs(share - global[c] / data.size);
    }
    totalVariation[k] = earthMovers[k] / 2;
  }
  return {
    numClients,
    classes,
    totalExamples: data.size,
    leftoverExamples,
    sizes,
    labelCounts,
    entropy,
    totalVariation,
    earthMovers,
    meanTotalVariation: mean(totalVariation),
    meanEntropy: mean(entropy),
  };
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}
