/** Forward mode as a graph transform. */
import { type Graph, GraphBuilder, type NodeId, neededBy } from './graph.js';
import { Emitter } from './primitive.js';
import { primitives } from './primitives/registry.js';

export interface JvpResult {
  readonly graph: Graph;
  /** Tangent node of each output, in order; null where it does not move. */
  readonly tangents: readonly (NodeId | null)[];
}

/** Name of the input that carries the tangent of a leaf. */
export const tangentName = (name: string): string => `tangent:${name}`;

/**
 * Appends the tangents of `outputs` to a graph, in the direction given by new inputs `tangent:<name>`, one for each of
 * `leaves`. Applied to the result of `vjp`, it gives Hessian-vector products.
 *
 * @param leaves - inputs and parameters that move; the others stand still.
 */
export function jvp(graph: Graph, outputs: readonly NodeId[], leaves: readonly NodeId[]): JvpResult {
  const builder = new GraphBuilder(graph);
  const needed = neededBy(graph, outputs);
  const tangents = new Map<NodeId, NodeId>();
  for (const id of leaves) {
    const { attributes, shape, phase, place } = graph.nodes[id];
    const name = tangentName(attributes.name ?? '');
    const input = { op: 'input', inputs: [], attributes: { name, shape }, shape, phase, place };
    tangents.set(id, builder.append(input));
  }
  for (const node of graph.nodes) {
    if (!needed.has(node.id) || tangents.has(node.id)) continue;
    const moved = node.inputs.map((id) => tangents.get(id) ?? null);
    if (moved.every((t) => t === null)) continue;
    const emit = new Emitter(builder, primitives, node.phase, node.place);
    const tangent = primitives[node.op].jvp(emit, node, moved);
    if (tangent !== null) tangents.set(node.id, tangent);
  }
  return { graph: builder.graph(), tangents: outputs.map((id) => tangents.get(id) ?? null) };
}
