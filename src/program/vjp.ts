/** Reverse mode as a graph transform. */
import { type Graph, GraphBuilder, type NodeId, neededBy, perExample } from './graph.js';
import { Emitter } from './primitive.js';
import { primitives } from './primitives/registry.js';

export interface VjpResult {
  readonly graph: Graph;
  /** Gradient node of each `wrt` node, in order; null where the output does not depend on it. */
  readonly gradients: readonly (NodeId | null)[];
}

/**
 * Appends the gradient of `output` to a graph. Nodes of the given graph keep their numbers.
 *
 * New nodes carry the phase `weightGrad` where they belong to something without a batch axis, else `dataGrad`, and the
 * layer of the node that they differentiate.
 *
 * @param cotangent - node of the shape of `output`: what the gradient is weighted with.
 * @param wrt - nodes whose gradients are wanted; nothing else is differentiated.
 */
export function vjp(graph: Graph, output: NodeId, cotangent: NodeId, wrt: readonly NodeId[]): VjpResult {
  const builder = new GraphBuilder(graph);
  const depends = dependents(graph, wrt);
  const needed = neededBy(graph, [output]);
  const gradients = new Map<NodeId, NodeId>([[output, cotangent]]);
  const emit = new Emitter(builder, primitives, 'dataGrad', graph.nodes[output].place);
  for (let id = output; id >= 0; id--) {
    const node = graph.nodes[id];
    const g = gradients.get(id);
    if (g === undefined || !needed.has(id)) continue;
    emit.place = node.place;
    // Activations before weights, so that a schedule meets the data gradient first.
    const order = node.inputs.map((_, i) => i);
    order.sort((a, b) => Number(depth(node.inputs[a])) - Number(depth(node.inputs[b])));
    for (const input of order) {
      const target = node.inputs[input];
      if (!depends.has(target)) continue;
      emit.phase = perExample(graph.nodes[target]) ? 'dataGrad' : 'weightGrad';
      const contribution = primitives[node.op].vjp(emit, node, g, input);
      if (contribution === null) continue;
      const sum = emit.add(gradients.get(target) ?? null, contribution);
      if (sum !== null) gradients.set(target, sum);
    }
  }
  return { graph: builder.graph(), gradients: wrt.map((id) => gradients.get(id) ?? null) };

  function depth(id: NodeId): boolean {
    return !perExample(graph.nodes[id]);
  }
}

/** Nodes that change when one of `sources` does. */
function dependents(graph: Graph, sources: readonly NodeId[]): Set<NodeId> {
  const found = new Set(sources);
  for (const node of graph.nodes) if (node.inputs.some((id) => found.has(id))) found.add(node.id);
  return found;
}
