/** Inputs of dense layers, multiplied with themselves: X^T X of every layer x W^T, summed in float64 in the order of the examples. */
import { resolveShape, type Widths } from './dims.js';
import type { Graph, NodeId } from './graph.js';
import type { Lowering } from './lower/lowering.js';
import type { Model } from './model.js';

/** A dense layer whose weight meets the data in a product; several uses of one weight add up. */
export interface DenseInputs {
  /** Name of the weight without its last part: `fc1` of `fc1.weight`. */
  readonly layer: string;
  readonly parameter: string;
  /** How the weight lies in memory: [out, in], or [in, out]. */
  readonly layout: 'out-in' | 'in-out';
  /** Input features. */
  readonly width: number;
  /** Nodes that hold the inputs, one row each. */
  readonly inputs: readonly NodeId[];
}

/** Space of the sums of one layer, float64, [width, width]. */
export const gramSpace = (layer: string): string => `gram ${layer}`;

/** The dense layers in the order of the forward pass. Convolutions, embeddings and what combines parameters first are none. */
export function denseInputs(model: Model, graph: Graph, widths: Widths = {}): DenseInputs[] {
  const found = new Map<string, DenseInputs>();
  const needed = { ...graph.widths, ...model.spec.atWidths(widths).groups };
  for (const { op, phase, inputs, attributes } of graph.nodes) {
    if (op !== 'matmul' || phase !== 'forward' || attributes.transA) continue;
    const [x, weight] = inputs;
    const { op: kind, attributes: leaf } = graph.nodes[weight];
    if (kind !== 'param' || leaf.name === undefined || graph.nodes[x].op === 'param') continue;
    const parameter = leaf.name;
    const known = found.get(parameter);
    const [width] = resolveShape(graph.nodes[x].shape.slice(-1), needed);
    const dot = parameter.lastIndexOf('.');
    found.set(parameter, {
      layer: dot > 0 ? parameter.slice(0, dot) : parameter,
      parameter,
      layout: attributes.transB ? 'out-in' : 'in-out',
      width,
      inputs: [...(known?.inputs ?? []), x],
    });
  }
  return [...found.values()];
}

/** Adds one batch to the sums of every layer, in their upper triangles. */
export function emitInputGrams(lowering: Lowering, layers: readonly DenseInputs[]): void {
  const { tape } = lowering;
  for (const { layer, width, inputs } of layers)
    for (const id of inputs) {
      const x = lowering.value(id);
      lowering.at('metric', layer);
      lowering.emit('accumulateGramF64', [tape.place(gramSpace(layer)), x], [{ literal: width }]);
    }
}
