/**
 * What the machine knows of an operation. Every rule of a primitive stands in its one record; the transforms, the
 * float64 interpreter and the tape builder only walk graphs.
 *
 * `vjp` emits only primitives that have a `jvp`, so that the derivative of a derivative always exists.
 */
import { type Shape, showShape, type Widths } from './dims.js';
import { type ModelPlace, ModelShapeError } from './errors.js';
import type { Attributes, GraphBuilder, Node, NodeId } from './graph.js';
import type { LowerContext } from './lower/context.js';
import type { Phase } from './tape.js';

/**
 * How the gradient of one example is had: `ghost` (its norm from activations and deltas alone), `direct` (the delta is
 * it), `materialise` (formed one example at a time), `couples` (examples see each other: it does not exist).
 */
export type PerExampleRule = 'ghost' | 'direct' | 'materialise' | 'couples';

export interface Primitive {
  readonly perExample: PerExampleRule;
  /** @throws {ShapeProblem} if the inputs do not fit. */
  shape(inputs: readonly Shape[], attributes: Attributes): Shape;
  /** Cotangent of one input, given that of the result; null where the derivative is zero everywhere. */
  vjp(emit: Emitter, node: Node, cotangent: NodeId, input: number): NodeId | null;
  /** Tangent of the result, given those of the inputs (null: zero), at least one of which is there. */
  jvp(emit: Emitter, node: Node, tangents: readonly (NodeId | null)[]): NodeId | null;
  /** Kernel calls that compute the node. Absent: leaves, and views of their input. */
  lower?(context: LowerContext, node: Node): void;
  /** The result is the memory of input 0 under another shape. */
  readonly view?: boolean;
}

/** What a shape rule says when its inputs do not fit; the tracer adds layer and line. */
export class ShapeProblem extends Error {
  constructor(
    readonly problem: (show: (shape: Shape) => string) => string,
    readonly hint: string,
  ) {
    super(problem((shape) => JSON.stringify(shape)));
  }
}

/** Appends nodes to a graph, with the phase and place of what is being worked on. */
export class Emitter {
  constructor(
    readonly builder: GraphBuilder,
    readonly primitives: Readonly<Record<string, Primitive>>,
    public phase: Phase,
    public place: ModelPlace,
  ) {}

  op(op: string, inputs: readonly NodeId[], attributes: Attributes = {}): NodeId {
    const shapes = inputs.map((id) => this.builder.shape(id));
    const shape = this.shapeOf(op, shapes, attributes);
    return this.builder.append({ op, inputs, attributes, shape, phase: this.phase, place: this.place });
  }

  shape(id: NodeId): Shape {
    return this.builder.shape(id);
  }

  node(id: NodeId): Node {
    return this.builder.node(id);
  }

  add(a: NodeId | null, b: NodeId | null): NodeId | null {
    if (a === null) return b;
    return b === null ? a : this.op('add', [a, b]);
  }

  private shapeOf(op: string, shapes: readonly Shape[], attributes: Attributes): Shape {
    try {
      return this.primitives[op].shape(shapes, attributes);
    } catch (error) {
      if (!(error instanceof ShapeProblem)) throw error;
      const widths: Widths = this.builder.widths;
      const problem = error.problem((shape) => showShape(shape, widths));
      throw new ModelShapeError(this.place, `${op}: ${problem}`, error.hint);
    }
  }
}
