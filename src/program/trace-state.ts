/** What a tracer keeps while a model is recorded: the graph, the parameters, and which axes are the same units. */
import type { ParamAxis, ParamKind } from '../tensor/param-spec.js';
import {
  type Dim,
  kBatch,
  resolveDim,
  resolveShape,
  type Shape,
  type SymbolicDim,
  sameDim,
  showShape,
} from './dims.js';
import { ModelDefinitionError, ModelShapeError } from './errors.js';
import { type Graph, GraphBuilder, type NodeId } from './graph.js';
import { Emitter } from './primitive.js';
import { primitives } from './primitives/registry.js';
import { callerLine } from './source-line.js';

interface RecordedParam {
  readonly name: string;
  readonly kind: ParamKind;
  readonly node: NodeId;
  /** Glorot limits are taken from these; 0 = starts at zero. */
  readonly fanIn: number;
  readonly fanOut: number;
}

export interface TracedParam extends RecordedParam {
  readonly axes: readonly ParamAxis[];
}

export interface Trace {
  readonly graph: Graph;
  readonly params: readonly TracedParam[];
  readonly aliases: Readonly<Record<string, string>>;
}

/** Marks the axes that `t.param` was given as plain numbers. */
const kUnnamed = '#';

export class TraceState {
  readonly builder = new GraphBuilder();
  readonly emit = new Emitter(this.builder, primitives, 'forward', { layer: 'model', source: '' });
  readonly #params = new Map<string, RecordedParam>();
  readonly #aliases: Record<string, string> = Object.create(null);
  /** Unit groups and unnamed axes that have become something else. */
  readonly #joined = new Map<string, Dim>();
  #randomSites = 0;

  /** Says which layer is being recorded, and from which line of the caller. */
  at(layer: string, boundary: (...args: never[]) => unknown): void {
    this.emit.place = { layer: String(layer), source: callerLine(boundary) };
    if (typeof layer !== 'string' || layer === '')
      this.fail('has no name', "name every layer, as in { name: 'fc1' }");
  }

  positive(what: string, value: number): void {
    if (!Number.isInteger(value) || value < 1)
      this.fail(`${what} is ${value}`, `${what} is a positive integer`);
  }

  fail(problem: string, hint: string): never {
    throw new ModelDefinitionError(this.emit.place, problem, hint);
  }

  shapeError(problem: string, hint: string): never {
    throw new ModelShapeError(this.emit.place, problem, hint);
  }

  show(shape: Shape): string {
    return showShape(shape, this.builder.widths);
  }

  /** Elements of an axis; the batch has none of its own. */
  size(dim: Dim): number {
    return resolveDim(dim, { ...this.builder.widths, [kBatch]: Number.NaN });
  }

  site(): number {
    const site = this.#randomSites;
    this.#randomSites += 1;
    return site;
  }

  /** The unit group of a layer's outputs; a name used again is the same group. */
  units(group: string, units: number): Dim {
    const { widths } = this.builder;
    const known = this.#canonical({ symbol: group, factor: 1 });
    if (typeof known !== 'number' && widths[known.symbol] === undefined) widths[known.symbol] = units;
    if (this.size(known) !== units)
      this.shapeError(
        `has ${this.size(known)} outputs before and ${units} here`,
        'layers of one name share their parameters: give this layer another name or the same size',
      );
    return known;
  }

  param(name: string, wanted: Shape, kind: ParamKind, fanIn: number, fanOut: number): NodeId {
    const shape = wanted.map((dim) => this.#canonical(dim));
    const known = this.#params.get(name);
    if (known) {
      const before = this.builder.shape(known.node);
      if (
        before.length !== shape.length ||
        before.some((dim, axis) => this.size(dim) !== this.size(shape[axis]))
      )
        this.shapeError(
          `parameter '${name}' has shape ${this.show(before)} before and ${this.show(shape)} here`,
          'layers of one name share their parameters: give this layer another name or the same sizes',
        );
      this.unifyShapes(before, shape);
      return known.node;
    }
    if (this.#aliases[name] !== undefined) this.fail('is an alias already', 'use another name');
    const node = this.emit.op('param', [], { name, shape });
    this.#params.set(name, { name, kind, node, fanIn, fanOut });
    return node;
  }

  /** A parameter of a user's own: plain sizes become the units that they meet. */
  freeParam(name: string, shape: Shape, kind: ParamKind): NodeId {
    for (const dim of shape) if (typeof dim === 'number') this.positive('an axis', dim);
    if (shape.some((dim) => typeof dim !== 'number' && dim.symbol === kBatch))
      this.shapeError('a parameter cannot have a batch axis', 'use the other axes of the tensor');
    const sizes = resolveShape(shape, this.builder.widths);
    const isNew = !this.#params.has(name);
    const axes = shape.map((dim, axis): Dim => {
      if (typeof dim !== 'number' || !isNew) return dim;
      const symbol = `${kUnnamed}${name}.${axis}`;
      this.builder.widths[symbol] = dim;
      return { symbol, factor: 1 };
    });
    const [fanOut, fanIn] = sizes.length >= 2 ? sizes : [0, 0];
    return this.param(name, axes, kind, fanIn, fanOut);
  }

  tie(alias: string, name: string): void {
    if (this.#params.has(alias) || !this.#params.has(name))
      this.fail(
        `cannot be an alias of '${name}'`,
        'name a parameter that exists, and an alias that does not',
      );
    this.#aliases[alias] = name;
  }

  unifyShapes(a: Shape, b: Shape): void {
    if (a.length !== b.length) return;
    // One after another, as a renaming reaches both shapes.
    for (const axis of a.keys()) this.unify(a[axis], b[axis]);
  }

  /**
   * Two axes that meet are one: the later of two unit groups gives way, and the unnamed axis of a parameter becomes whatever it
   * meets. Axes of different size are left to the shape rules.
   */
  unify(first: Dim, second: Dim): void {
    const [a, b] = [this.#canonical(first), this.#canonical(second)];
    if (sameDim(a, b) || this.size(a) !== this.size(b)) return;
    if (typeof b !== 'number' && isUnnamed(b)) this.#replace(b.symbol, a);
    else if (typeof a !== 'number' && isUnnamed(a)) this.#replace(a.symbol, b);
    else if (typeof a !== 'number' && typeof b !== 'number' && a.factor === b.factor)
      this.#replace(b.symbol, { ...a, factor: 1 });
  }

  finish(): Trace {
    // What met no other axis stays a plain size.
    for (const [symbol, size] of Object.entries(this.builder.widths))
      if (symbol.startsWith(kUnnamed)) this.#replace(symbol, size);
    const graph = this.builder.graph();
    const axisOf = (dim: Dim): ParamAxis => {
      if (typeof dim === 'number') return { units: dim, inner: 1 };
      return { group: dim.symbol, units: graph.widths[dim.symbol], inner: dim.factor };
    };
    const params = [...this.#params.values()].map((param) => {
      return { ...param, axes: graph.nodes[param.node].shape.map(axisOf) };
    });
    return { graph, params, aliases: this.#aliases };
  }

  /** Puts one dimension in the place of a symbol, everywhere. */
  #replace(symbol: string, by: Dim): void {
    this.builder.rename((dim) => substitute(dim, symbol, by));
    delete this.builder.widths[symbol];
    this.#joined.set(symbol, by);
  }

  /** A dimension as it is called now. */
  #canonical(dim: Dim): Dim {
    if (typeof dim === 'number') return dim;
    const joined = this.#joined.get(dim.symbol);
    return joined === undefined ? dim : this.#canonical(substitute(dim, dim.symbol, joined));
  }
}

function substitute(dim: Dim, symbol: string, by: Dim): Dim {
  if (typeof dim === 'number' || dim.symbol !== symbol) return dim;
  return typeof by === 'number' ? by * dim.factor : { symbol: by.symbol, factor: by.factor * dim.factor };
}

function isUnnamed({ symbol, factor }: SymbolicDim): boolean {
  return symbol.startsWith(kUnnamed) && factor === 1;
}
