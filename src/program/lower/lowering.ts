/**
 * Turns nodes of a graph into kernel calls on a tape, fusing what one kernel can do: product, bias and activation; loss
 * and its gradient.
 */
import type { KernelName } from '../../kernels/table.js';
import { elementCount, kBatch, resolveShape, type Widths } from '../dims.js';
import { type Graph, type Node, type NodeId, neededBy, type ScalarRef } from '../graph.js';
import { windowOf } from '../primitives/conv.js';
import { channelSizes } from '../primitives/linear.js';
import { primitives } from '../primitives/registry.js';
import type { Phase, ScalarOperand } from '../tape.js';
import type { EmitOptions, LowerContext, Region } from './context.js';
import type { TapeBuilder } from './tape-builder.js';

const kActivations = ['none', 'relu', 'tanh', 'sigmoid'];

/** A product with what is done to it at once; `last` is the node whose value is stored. */
interface Fused {
  readonly product: Node;
  readonly bias?: NodeId;
  readonly activation: number;
  readonly last: NodeId;
}

export interface LoweringOptions {
  readonly graph: Graph;
  readonly outputs: readonly NodeId[];
  /** Width of every symbol, the batch included. */
  readonly widths: Widths;
  /** Memory of leaves (and of what else has a place already). */
  readonly bound: ReadonlyMap<NodeId, Region>;
  /** Run-time scalars of the graph by name, as operands. */
  readonly scalars: (name: string) => ScalarOperand;
}

export class Lowering implements LowerContext {
  readonly needed: ReadonlySet<NodeId>;
  readonly #graph: Graph;
  readonly #values: Map<NodeId, Region>;
  readonly #places = new Map<NodeId, Region>();
  readonly #fused = new Map<NodeId, Fused>();
  readonly #swallowed = new Map<NodeId, NodeId>();
  readonly #scalars: LoweringOptions['scalars'];
  readonly #widths: Widths;
  #current: { phase: Phase; label: string } = { phase: 'forward', label: '' };

  constructor(
    readonly tape: TapeBuilder,
    { graph, outputs, widths, bound, scalars }: LoweringOptions,
  ) {
    this.#graph = graph;
    this.#widths = widths;
    this.#values = new Map(bound);
    this.#scalars = scalars;
    this.needed = neededBy(graph, outputs);
    this.#fuse(new Set(outputs));
  }

  get batch(): number {
    return this.#widths[kBatch];
  }

  node(id: NodeId): Node {
    return this.#graph.nodes[id];
  }

  shape(id: NodeId): number[] {
    return resolveShape(this.#graph.nodes[id].shape, this.#widths);
  }

  count(id: NodeId): number {
    return elementCount(this.shape(id));
  }

  /** Emits a node unless it has been emitted or is part of a fused call that comes later. */
  step(id: NodeId): void {
    if (!this.#values.has(id) && !this.#swallowed.has(id)) this.value(id);
  }

  /** Memory of a node's value, computed now if it is not there yet. */
  value(id: NodeId): Region {
    const known = this.#values.get(id);
    if (known) return known;
    const node = this.#graph.nodes[id];
    const fused = this.#fused.get(id);
    const rule = primitives[node.op];
    if (fused) this.#emitFused(fused, node);
    else if (rule.view) this.#values.set(id, this.value(node.inputs[0]));
    else {
      // Inputs first: a rule that asks for them in the middle of its calls would tear these apart.
      for (const input of node.inputs) this.value(input);
      this.#current = { phase: node.phase, label: node.place.layer };
      if (!rule.lower) throw new RangeError(`${node.op} '${node.attributes.name ?? id}' has no memory`);
      rule.lower(this, node);
    }
    const value = this.#values.get(id);
    if (!value) throw new RangeError(`${node.op} left no value`);
    return value;
  }

  /** Sets phase and label of the calls that follow, for callers outside the rules. */
  at(phase: Phase, label: string): void {
    this.#current = { phase, label };
  }

  input(node: Node, input: number): Region {
    return this.value(node.inputs[input]);
  }

  inputs(node: Node): Region[] {
    return node.inputs.map((id) => this.value(id));
  }

  output(node: Node): Region {
    const region = this.tape.scratch('f32', this.count(node.id));
    this.#values.set(node.id, region);
    return region;
  }

  copyOf(node: Node, input: number): Region {
    const region = this.output(node);
    this.emit('copyF32', [region, this.input(node, input)], [], { reuse: [1] });
    return region;
  }

  places(pool: NodeId): Region {
    this.value(pool);
    return this.#placesOf(pool);
  }

  emit(
    kernel: KernelName,
    operands: readonly Region[],
    scalars: readonly ScalarOperand[],
    options?: EmitOptions,
  ): void {
    this.tape.call(kernel, operands, scalars, this.#current.phase, this.#current.label, options);
  }

  readonly scalar = (value: ScalarRef): ScalarOperand =>
    typeof value === 'number' ? { literal: value } : this.#scalars(value.runtime);

  randomAddress(site: number): ScalarOperand[] {
    const runtime = ['key0', 'key1', 'step'].map(this.#scalars);
    return [runtime[0], runtime[1], { literal: 0 }, { literal: 0 }, runtime[2], { literal: site }];
  }

  convScalars(node: Node, image: readonly number[], result: readonly number[]): ScalarOperand[] {
    const { kernel, stride, padding, outHeight, outWidth } = windowOf(node.attributes);
    const [batch, inChannels, height, width] = image;
    return [
      ...[batch, inChannels, height, width, result[1], kernel, kernel, stride, padding],
      ...[outHeight, outWidth],
    ].map(this.scalar);
  }

  gemm(node: Node, destination: Region, beta: ScalarRef = 0): void {
    this.#gemm(node, destination, nothing, beta, 0);
  }

  conv2d(node: Node, destination: Region): void {
    this.#conv2d(node, destination, nothing, 0);
  }

  conv2dWeightGrad(node: Node, destination: Region, beta: ScalarRef = 0): void {
    const [x, dy] = node.inputs;
    this.emit(
      'conv2dWeightGradF32',
      [destination, this.value(x), this.value(dy)],
      [...this.convScalars(node, this.shape(x), this.shape(dy)), this.scalar(1), this.scalar(beta)],
    );
  }

  sumChannels(node: Node, destination: Region, beta: ScalarRef = 0): void {
    this.emit(
      'sumChannelsF32',
      [destination, this.input(node, 0)],
      [...channelSizes(this.shape(node.inputs[0])), 1, beta].map(this.scalar),
    );
  }

  /** The loss and, in the same call, its gradient where the graph asks for one. */
  crossEntropy(node: Node): void {
    const delta = this.#sibling(node, 'softmaxDelta');
    const loss = this.output(node);
    this.#crossEntropy(node, loss, delta);
  }

  crossEntropyDelta(node: Node): void {
    const loss = this.#sibling(node, 'softmaxCrossEntropy');
    this.#crossEntropy(
      node,
      loss ? this.output(loss) : this.tape.scratch('f32', this.shape(node.id)[0]),
      node,
    );
  }

  #crossEntropy(node: Node, loss: Region, delta: Node | undefined): void {
    const [z, labels] = node.inputs;
    this.#current = { phase: 'loss', label: 'loss' };
    this.emit(
      'softmaxCrossEntropyF32',
      [loss, delta ? this.output(delta) : nothing, this.value(z), this.value(labels)],
      [this.scalar(this.shape(z)[1]), this.scalar(delta?.attributes.value ?? 1)],
    );
  }

  /** A needed node of another kind on the same inputs. */
  #sibling(node: Node, op: string): Node | undefined {
    return this.#graph.nodes.find(
      (other) =>
        other.op === op &&
        this.needed.has(other.id) &&
        other.inputs.every((id, i) => id === node.inputs[i]) &&
        !this.#values.has(other.id),
    );
  }

  #placesOf(pool: NodeId): Region {
    let region = this.#places.get(pool);
    if (!region) {
      region = this.tape.scratch('u32', this.count(pool));
      this.#places.set(pool, region);
    }
    return region;
  }

  #emitFused({ product, bias, activation }: Fused, node: Node): void {
    for (const input of product.inputs) this.value(input);
    const biasRegion = bias === undefined ? nothing : this.value(bias);
    this.#current = { phase: node.phase, label: product.place.layer };
    const destination = this.output(node);
    if (product.op === 'matmul') this.#gemm(product, destination, biasRegion, 0, activation);
    else this.#conv2d(product, destination, biasRegion, activation);
  }

  #gemm(node: Node, destination: Region, bias: Region, beta: ScalarRef, activation: number): void {
    const { transA = false, transB = false } = node.attributes;
    const [a, b] = node.inputs;
    const [rows, cols] = this.shape(a);
    const [m, k] = transA ? [cols, rows] : [rows, cols];
    const n = this.shape(b)[transB ? 0 : 1];
    this.emit(
      'gemmF32',
      [destination, this.value(a), this.value(b), bias],
      [m, n, k, Number(transA), Number(transB), 1, beta, activation].map(this.scalar),
    );
  }

  #conv2d(node: Node, destination: Region, bias: Region, activation: number): void {
    const [x, w] = node.inputs;
    const result = this.shape(node.id);
    this.emit(
      'conv2dF32',
      [destination, this.value(x), this.value(w), bias],
      [...this.convScalars(node, this.shape(x), result), this.scalar(activation)],
    );
  }

  /** Finds product, bias and activation in a row, where nothing else looks at the values between. */
  #fuse(outputs: ReadonlySet<NodeId>): void {
    const readers = new Map<NodeId, NodeId[]>();
    for (const { id, inputs } of this.#graph.nodes)
      if (this.needed.has(id))
        for (const input of inputs) readers.set(input, [...(readers.get(input) ?? []), id]);
    const onlyReader = (id: NodeId): Node | undefined => {
      const [reader, ...others] = readers.get(id) ?? [];
      return reader === undefined || others.length > 0 || outputs.has(id)
        ? undefined
        : this.#graph.nodes[reader];
    };
    for (const product of this.#graph.nodes) {
      if (!this.needed.has(product.id) || (product.op !== 'matmul' && product.op !== 'conv2d')) continue;
      let last = product.id;
      let next = onlyReader(last);
      let bias: NodeId | undefined;
      if (next?.op === 'addBias' && next.inputs[0] === last) {
        bias = next.inputs[1];
        this.#swallowed.set(last, next.id);
        last = next.id;
        next = onlyReader(last);
      }
      const activation = next ? kActivations.indexOf(next.op) : -1;
      if (next && activation > 0) {
        this.#swallowed.set(last, next.id);
        last = next.id;
      }
      if (last !== product.id)
        this.#fused.set(last, { product, bias, activation: Math.max(activation, 0), last });
    }
  }
}

/** An optional operand that is not there. */
export const nothing: Region = { scratch: -1, length: 0 };
