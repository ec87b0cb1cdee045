/** How the gradient of a parameter is made of single examples: what per-example norms and the Fisher start from. */
import { carriesBatch, kBatch } from './dims.js';
import { PerExampleError } from './errors.js';
import { type Graph, type Node, type NodeId, neededBy, type ScalarRef } from './graph.js';
import type { Region } from './lower/context.js';
import type { Lowering } from './lower/lowering.js';
import { channelSizes } from './primitives/linear.js';
import { primitives } from './primitives/registry.js';
import type { Sink } from './schedule.js';

/**
 * One use of a parameter: `outer`: the sum over examples of a[r] b[r]^T (dense weights); `sum`: the sum over examples and space of
 * delta (biases); `conv`: a convolution's weight gradient. `delta` is the operand that scales with the loss of the example.
 */
export type Contribution =
  | {
      readonly kind: 'outer';
      readonly node: Node;
      readonly a: NodeId;
      readonly b: NodeId;
      readonly delta: NodeId;
    }
  | { readonly kind: 'sum'; readonly node: Node; readonly delta: NodeId }
  | { readonly kind: 'conv'; readonly node: Node; readonly x: NodeId; readonly delta: NodeId };

/** @throws {PerExampleError} if the gradient is not a plain sum over examples. */
export function contributionsOf(graph: Graph, sink: Sink): Contribution[] {
  const found: Contribution[] = [];
  const stack = [sink.gradient];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    const node = graph.nodes[id];
    const [a, b] = node.inputs;
    const { transA = false, transB = false } = node.attributes;
    if (node.op === 'add') stack.push(b, a);
    else if (node.op === 'sumChannels' && carriesBatch(graph.nodes[a].shape))
      found.push({ kind: 'sum', node, delta: a });
    else if (node.op === 'conv2dWeightGrad') found.push({ kind: 'conv', node, x: a, delta: b });
    else if (
      node.op === 'matmul' &&
      transA &&
      !transB &&
      [a, b].every((i) => carriesBatch(graph.nodes[i].shape))
    )
      found.push({ kind: 'outer', node, a, b, delta: graph.nodes[a].phase === 'forward' ? b : a });
    else
      throw new PerExampleError(
        graph.nodes[sink.param].place,
        `the gradient of '${sink.name}' is not a sum of one term for each example (it ends in ${node.op})`,
        'parameters that are combined with others before they meet the data have no per-example rule: ' +
          'switch off example-level clipping and Fisher, or apply the parameters to the data one after another',
      );
  }
  return found;
}

/**
 * Refuses models in which the gradient of one example depends on the others.
 *
 * @throws {PerExampleError} naming the first layer that couples examples.
 */
export function checkPerExample(graph: Graph, loss: NodeId): void {
  for (const id of [...neededBy(graph, [loss])].sort((a, b) => a - b)) {
    const node = graph.nodes[id];
    const shapes = node.inputs.map((input) => graph.nodes[input].shape);
    const withBatch = shapes.filter((shape) =>
      shape.some((dim) => typeof dim !== 'number' && dim.symbol === kBatch),
    );
    const couples =
      node.op === 'matmul'
        ? withBatch.length > 1
        : primitives[node.op].perExample === 'couples' && withBatch.length > 0;
    if (couples)
      throw new PerExampleError(
        node.place,
        `${node.op} couples the examples of a batch, so that the gradient of one example does not exist`,
        'per-example clipping and Fisher need layers that treat every example on its own',
      );
  }
}

/**
 * The gradients of a parameter for every example as rows of scratch memory, joint over all uses.
 * Rows are [batch, size of the parameter].
 */
export function materialise(
  lowering: Lowering,
  contributions: readonly Contribution[],
  label: string,
): Region {
  const { tape, batch } = lowering;
  const size = lowering.count(contributions[0].node.id);
  const rows = tape.scratch('f32', batch * size);
  contributions.forEach((contribution, use) => {
    const { node } = contribution;
    const beta: ScalarRef = use === 0 ? 0 : 1;
    const inputs = node.inputs.map((id) => lowering.value(id));
    lowering.at('clip', label);
    if (contribution.kind === 'outer') {
      const [m, n] = lowering.shape(node.id);
      lowering.emit('outerRowsF32', [rows, ...inputs], [m, n, beta].map(lowering.scalar));
    } else if (contribution.kind === 'conv') {
      const [image, result] = node.inputs.map((id) => lowering.shape(id));
      const scalars = [...lowering.convScalars(node, image, result), lowering.scalar(beta)];
      lowering.emit('conv2dWeightGradRowsF32', [rows, ...inputs], scalars);
    } else {
      const [, , spatial] = channelSizes(lowering.shape(contribution.delta));
      lowering.emit('sumSpatialRowsF32', [rows, ...inputs], [spatial, beta].map(lowering.scalar));
    }
  });
  return rows;
}

/** Whether a delta has one value for each example and output, so that it is the bias gradient of its example. */
export function isFlat(lowering: Lowering, id: NodeId): boolean {
  const [, , spatial] = channelSizes(lowering.shape(id));
  return spatial === 1;
}
