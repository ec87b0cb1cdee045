/**
 * A program before it is bound: a list of nodes in an order in which every node follows its inputs.
 *
 * Graphs are values: a transform (`vjp`, `jvp`) returns a longer list in which the old nodes keep their numbers.
 */
import { carriesBatch, type Dim, type Shape, type Widths } from './dims.js';
import type { ModelPlace } from './errors.js';
import type { Phase } from './tape.js';

export type NodeId = number;

/** Geometry of a convolution or pool; sizes of the image are those of its input. Windows are square, as is the stride. */
export interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly height: number;
  readonly width: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** A number known now, or a run-time scalar known by name when a job starts. */
export type ScalarRef = number | { readonly runtime: string };

export interface Attributes {
  /** Of leaves: what a binding calls them. */
  readonly name?: string;
  readonly transA?: boolean;
  readonly transB?: boolean;
  /** Of scale and fill. */
  readonly value?: ScalarRef;
  readonly window?: Window;
  /** Of dropout: share of elements that are zeroed, and the place of its random numbers. */
  readonly rate?: number;
  readonly site?: number;
  /** Shape of a result that its inputs do not decide. */
  readonly shape?: Shape;
}

export interface Node {
  readonly id: NodeId;
  readonly op: string;
  readonly inputs: readonly NodeId[];
  readonly attributes: Attributes;
  readonly shape: Shape;
  readonly phase: Phase;
  readonly place: ModelPlace;
}

export interface Graph {
  readonly nodes: readonly Node[];
  /** Default widths of the unit groups. */
  readonly widths: Widths;
}

/** Appends nodes to a graph. Equal nodes are made once. */
export class GraphBuilder {
  readonly nodes: Node[];
  readonly widths: Record<string, number>;
  readonly #known = new Map<string, NodeId>();

  constructor(graph?: Graph) {
    this.nodes = graph ? [...graph.nodes] : [];
    this.widths = { ...graph?.widths };
    for (const node of this.nodes) this.#known.set(key(node), node.id);
  }

  node(id: NodeId): Node {
    return this.nodes[id];
  }

  shape(id: NodeId): Shape {
    return this.nodes[id].shape;
  }

  /** Adds a node of a shape that the caller has worked out, or finds the equal one. */
  append(node: Omit<Node, 'id'>): NodeId {
    const known = this.#known.get(key(node));
    if (known !== undefined) return known;
    const id = this.nodes.length;
    this.nodes.push({ ...node, id });
    this.#known.set(key(node), id);
    return id;
  }

  /** Rewrites every dimension of every node. */
  rename(dimension: (dim: Dim) => Dim): void {
    this.#known.clear();
    this.nodes.forEach((node, id) => {
      const { attributes } = node;
      const renamed = {
        ...node,
        shape: node.shape.map(dimension),
        attributes: attributes.shape ? { ...attributes, shape: attributes.shape.map(dimension) } : attributes,
      };
      this.nodes[id] = renamed;
      this.#known.set(key(renamed), id);
    });
  }

  graph(): Graph {
    return { nodes: [...this.nodes], widths: { ...this.widths } };
  }
}

function key({ op, inputs, attributes, shape }: Omit<Node, 'id'>): string {
  return JSON.stringify([op, inputs, attributes, shape]);
}

/** Nodes that the outputs need, themselves included: everything else is dead code. */
export function neededBy(graph: Graph, outputs: readonly NodeId[]): Set<NodeId> {
  const needed = new Set<NodeId>();
  const stack = [...outputs];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (needed.has(id)) continue;
    needed.add(id);
    stack.push(...graph.nodes[id].inputs);
  }
  return needed;
}

export function paramLeaves(graph: Graph): Node[] {
  return graph.nodes.filter((node) => node.op === 'param');
}

/** Whether a node has one value for each example. */
export function perExample(node: Node): boolean {
  return carriesBatch(node.shape);
}
