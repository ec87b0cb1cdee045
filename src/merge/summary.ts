/** What a finished merge says of itself. */
import type { TensorReport } from './stream/tensor-report.js';

/** How far a layer, or what lies before and behind the layers, moved. */
export interface LayerChange {
  /** Beginning of the names of its tensors, as `model.layers.3`. */
  readonly layer: string;
  /** Norm of the difference to the base (without one: to the first model) over the norm of that. */
  readonly relativeChange: number;
  readonly tensors: number;
}

export interface MergeSummary {
  readonly folder: string;
  /** Names of the files with tensors, then the index. */
  readonly files: readonly string[];
  readonly method: string;
  readonly models: readonly string[];
  /** Tensors written, and of those how many an interrupted run had finished. */
  readonly tensors: number;
  readonly resumedTensors: number;
  readonly parameters: number;
  /** Of tensors, on disk. */
  readonly bytes: number;
  readonly bytesRead: number;
  readonly seconds: number;
  /** Output parameters a second, of this run. */
  readonly parametersPerSecond: number;
  readonly backend: string;
  readonly workers: number;
  /** Values that are not finite; above 0 in strict merges only. */
  readonly nonFinite: number;
  /** In the order of the model. */
  readonly layers: readonly LayerChange[];
  readonly warnings: readonly string[];
}

/** Groups tensors by the number in their name, others by their first names. */
export function layerChanges(tensors: readonly TensorReport[]): LayerChange[] {
  const sums = new Map<string, { change: number; norm: number; tensors: number }>();
  for (const { tensor, changeNorm, referenceNorm } of tensors) {
    if (changeNorm === undefined || referenceNorm === undefined) continue;
    const layer = layerOf(tensor);
    const sum = sums.get(layer) ?? { change: 0, norm: 0, tensors: 0 };
    sums.set(layer, {
      change: sum.change + changeNorm * changeNorm,
      norm: sum.norm + referenceNorm * referenceNorm,
      tensors: sum.tensors + 1,
    });
  }
  return [...sums].map(([layer, { change, norm, tensors }]) => ({
    layer,
    relativeChange: change === 0 ? 0 : Math.sqrt(change / norm),
    tensors,
  }));
}

function layerOf(tensor: string): string {
  const numbered = /^(?:.*?\.)?\d+(?=\.)/.exec(tensor);
  return numbered?.[0] ?? tensor.replace(/\.(weight|bias)$/, '');
}
