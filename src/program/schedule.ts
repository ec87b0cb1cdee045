/**
 * In which order a training step runs: the chain (forward, loss, data gradients) from its first node to its last, and
 * between its nodes, as soon as each layer allows it, what is done with the gradients of that layer's parameters.
 */
import type { ParamSpec } from '../tensor/param-spec.js';
import { type Graph, type Node, type NodeId, neededBy, type ScalarRef } from './graph.js';
import type { Region } from './lower/context.js';
import type { Lowering } from './lower/lowering.js';
import { primitives } from './primitives/registry.js';

/** A parameter and the node that holds its gradient. */
export interface Sink {
  readonly name: string;
  readonly param: NodeId;
  readonly gradient: NodeId;
}

/** Parameters of one layer, ready together. */
export interface SinkGroup {
  readonly layer: string;
  readonly sinks: readonly Sink[];
  /** Position in the chain after which the gradients can be formed and the parameters overwritten. */
  readonly readyAfter: number;
}

export interface StepOrder {
  readonly chain: readonly NodeId[];
  /** In the order in which they become ready: last layer first. */
  readonly groups: readonly SinkGroup[];
  /** Whether a gradient is computed from parameters themselves, so that none may be overwritten before all are there. */
  readonly entangled: boolean;
}

/**
 * @param sinks - in the order of the parameter vector, which keeps weights before biases.
 * @param extra - further nodes that the step needs, such as the loss.
 */
export function orderStep(graph: Graph, sinks: readonly Sink[], extra: readonly NodeId[]): StepOrder {
  const needed = neededBy(graph, [...sinks.map((sink) => sink.gradient), ...extra]);
  const isChain = (node: Node) => needed.has(node.id) && node.phase !== 'weightGrad' && !isLeaf(node);
  const chain = graph.nodes.filter(isChain).map((node) => node.id);
  const position = new Map(chain.map((id, at) => [id, at]));
  const readers = new Map<NodeId, number>();
  for (const id of chain)
    for (const input of graph.nodes[id].inputs) {
      const root = memoryOf(graph, input);
      readers.set(root, Math.max(readers.get(root) ?? 0, position.get(id) ?? 0));
    }
  const params = new Set(sinks.map((sink) => sink.param));
  let entangled = false;
  const readyAfter = (sink: Sink): number => {
    let at = readers.get(sink.param) ?? 0;
    const stack = [sink.gradient];
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      if (params.has(memoryOf(graph, id))) entangled = true;
      const known = position.get(id);
      if (known !== undefined) at = Math.max(at, known);
      else stack.push(...graph.nodes[id].inputs);
    }
    return at;
  };
  const byLayer = new Map<string, Sink[]>();
  for (const sink of sinks) {
    const layer = sink.name.includes('.') ? sink.name.slice(0, sink.name.lastIndexOf('.')) : sink.name;
    byLayer.set(layer, [...(byLayer.get(layer) ?? []), sink]);
  }
  const groups = [...byLayer].map(([layer, members]) => {
    return { layer, sinks: members, readyAfter: Math.max(...members.map(readyAfter)) };
  });
  groups.sort((a, b) => a.readyAfter - b.readyAfter);
  return { chain, groups, entangled };
}

function isLeaf({ op }: Node): boolean {
  return op === 'input' || op === 'param';
}

/** The node whose memory a node's value lies in, looking through views. */
export function memoryOf(graph: Graph, id: NodeId): NodeId {
  let node = graph.nodes[id];
  while (primitives[node.op].view) node = graph.nodes[node.inputs[0]];
  return node.id;
}

/** Emits the chain, calling `onReady` for every group as soon as it is ready. */
export function runChain(lowering: Lowering, order: StepOrder, onReady: (group: SinkGroup) => void): void {
  let next = 0;
  order.chain.forEach((id, at) => {
    lowering.step(id);
    for (; next < order.groups.length && order.groups[next].readyAfter <= at; next++)
      onReady(order.groups[next]);
  });
}

/**
 * destination = beta * destination + gradient, in one kernel where the gradient is a product or a sum over channels. A sum
 * of several uses of a parameter is added up in the destination.
 */
export function emitGradient(
  lowering: Lowering,
  id: NodeId,
  destination: Region,
  beta: ScalarRef,
  label: string,
): void {
  const node = lowering.node(id);
  const accumulates = node.op === 'matmul' || node.op === 'conv2dWeightGrad' || node.op === 'sumChannels';
  if (node.op === 'add' && node.phase === 'weightGrad') {
    emitGradient(lowering, node.inputs[0], destination, beta, label);
    emitGradient(lowering, node.inputs[1], destination, 1, label);
  } else if (accumulates && node.phase === 'weightGrad') {
    for (const input of node.inputs) lowering.value(input);
    lowering.at('weightGrad', label);
    if (node.op === 'matmul') lowering.gemm(node, destination, beta);
    else if (node.op === 'sumChannels') lowering.sumChannels(node, destination, beta);
    else lowering.conv2dWeightGrad(node, destination, beta);
  } else {
    const value = lowering.value(id);
    lowering.at('weightGrad', label);
    if (beta === 0) lowering.emit('copyF32', [destination, value], []);
    else {
      if (beta !== 1) lowering.emit('scaleF32', [destination], [lowering.scalar(beta)]);
      lowering.emit('axpyF32', [destination, value], [lowering.scalar(1)]);
    }
  }
}

/** Region of one parameter in a flat space. */
export function paramRegion(space: string, spec: ParamSpec, name: string): Region {
  const { offset, size } = spec.get(name);
  return { space, offset, length: size };
}
