/** Records what a model function does with its input, as a graph. */
import type { ParamAxis, ParamKind } from '../tensor/param-spec.js';
import {
  type Dim,
  kBatch,
  multiplyDims,
  resolveDim,
  resolveShape,
  type Shape,
  sameDim,
  showShape,
} from './dims.js';
import { ModelDefinitionError, type ModelPlace, ModelShapeError } from './errors.js';
import { type Attributes, GraphBuilder, type NodeId, type Window } from './graph.js';
import { Emitter } from './primitive.js';
import { primitives } from './primitives/registry.js';
import { callerLine } from './source-line.js';

/** A value inside a traced model. */
export interface Tensor {
  readonly id: NodeId;
  readonly shape: Shape;
}

export type Activation = 'relu' | 'tanh' | 'sigmoid';

export interface DenseOptions {
  /** Number of outputs. */
  units: number;
  /** Layer name: parameters are `<name>.weight` [units, inputs] and `<name>.bias`. The same name twice shares them. */
  name: string;
  activation?: Activation;
  /** Default: true. */
  bias?: boolean;
}

export interface ConvOptions {
  /** Number of output channels. */
  channels: number;
  /** Side of the square kernel. */
  kernel: number;
  /** Zeros around the image: a number, `same` (odd kernels, stride 1) or `valid`. Default: `valid`. */
  padding?: 'same' | 'valid' | number;
  /** Default: 1. */
  stride?: number;
  /** Layer name: parameters are `<name>.weight` [channels, in channels, kernel, kernel] and `<name>.bias`. */
  name: string;
  activation?: Activation;
  /** Default: true. */
  bias?: boolean;
}

export interface PoolOptions {
  /** Side of the square window. Default: 2. */
  size?: number;
  /** Default: `size`. */
  stride?: number;
}

export interface TracedParam {
  readonly name: string;
  readonly kind: ParamKind;
  readonly node: NodeId;
  readonly axes: readonly ParamAxis[];
  /** Glorot limits are taken from these; 0 = starts at zero. */
  readonly fanIn: number;
  readonly fanOut: number;
}

/** The `t` of a model function. Every method returns a new tensor and leaves its arguments alone. */
export class Tracer {
  readonly #builder = new GraphBuilder();
  readonly #emit = new Emitter(this.#builder, primitives, 'forward', { layer: 'model', source: '' });
  readonly #params = new Map<string, TracedParam>();
  readonly #aliases: Record<string, string> = {};
  readonly #layerOf = new Map<NodeId, string>();
  /** Unit groups that have become part of another. */
  readonly #joined = new Map<string, string>();
  #randomSites = 0;

  /** y = x W^T + b, for x [batch, inputs]. */
  dense(x: Tensor, options: DenseOptions): Tensor {
    this.#at(options.name, this.dense);
    const { units, name } = options;
    this.#positive('units', units);
    if (x.shape.length !== 2)
      this.#shapeError(
        `a dense layer wants [batch, features], received ${this.#show(x.shape)}`,
        'flatten images with t.flatten before a dense layer',
      );
    const outputs = this.#units(`${name}.out`, units);
    const inputs = x.shape[1];
    const weight = this.#param(`${name}.weight`, [outputs, inputs], 'weight', this.#size(inputs), units);
    const y = this.#emit.op('matmul', [x.id, weight], { transA: false, transB: true });
    return this.#finish(y, outputs, options);
  }

  /** Two-dimensional convolution (cross-correlation, as everywhere in deep learning) of images [batch, channels, height, width]. */
  conv2d(x: Tensor, options: ConvOptions): Tensor {
    this.#at(options.name, this.conv2d);
    const { channels, kernel, padding = 'valid', stride = 1, name } = options;
    this.#positive('channels', channels);
    this.#positive('kernel', kernel);
    this.#positive('stride', stride);
    const [height, width] = this.#imageSize(x, 'a convolution');
    if (padding === 'same' && (kernel % 2 === 0 || stride !== 1))
      this.#fail(
        `padding 'same' with kernel ${kernel} and stride ${stride}`,
        'use an odd kernel and stride 1, or a number',
      );
    const pad = padding === 'same' ? (kernel - 1) / 2 : padding === 'valid' ? 0 : padding;
    if (!Number.isInteger(pad) || pad < 0)
      this.#fail(`padding ${pad}`, "padding is 'same', 'valid' or an integer of at least 0");
    const window = this.#window(height, width, kernel, stride, pad);
    const outputs = this.#units(`${name}.out`, channels);
    const area = kernel * kernel;
    const shape: Shape = [outputs, x.shape[1], kernel, kernel];
    const fanIn = this.#size(x.shape[1]) * area;
    const weight = this.#param(`${name}.weight`, shape, 'weight', fanIn, channels * area);
    const y = this.#emit.op('conv2d', [x.id, weight], { window });
    return this.#finish(y, outputs, options);
  }

  relu(x: Tensor): Tensor {
    return this.#apply('relu', [x], {}, this.relu);
  }

  tanh(x: Tensor): Tensor {
    return this.#apply('tanh', [x], {}, this.tanh);
  }

  sigmoid(x: Tensor): Tensor {
    return this.#apply('sigmoid', [x], {}, this.sigmoid);
  }

  /** Softmax over the columns of [rows, columns]. */
  softmax(x: Tensor): Tensor {
    return this.#apply('softmax', [x], {}, this.softmax);
  }

  /** Logarithm of the softmax over the columns of [rows, columns]. */
  logSoftmax(x: Tensor): Tensor {
    return this.#apply('logSoftmax', [x], {}, this.logSoftmax);
  }

  exp(x: Tensor): Tensor {
    return this.#apply('exp', [x], {}, this.exp);
  }

  /** Natural logarithm; x above 0. */
  log(x: Tensor): Tensor {
    return this.#apply('log', [x], {}, this.log);
  }

  square(x: Tensor): Tensor {
    return this.#apply('square', [x], {}, this.square);
  }

  maxPool(x: Tensor, options: PoolOptions = {}): Tensor {
    return this.#pool('maxPool', x, options, this.maxPool);
  }

  averagePool(x: Tensor, options: PoolOptions = {}): Tensor {
    return this.#pool('averagePool', x, options, this.averagePool);
  }

  /** [batch, channels, height, width] to [batch, channels * height * width]. */
  flatten(x: Tensor): Tensor {
    this.#at(this.#layer(x, 'flatten'), this.flatten);
    const [batch, ...rest] = x.shape;
    const features = multiplyDims(rest);
    if (batch === undefined || features === undefined)
      this.#shapeError(`cannot flatten ${this.#show(x.shape)}`, 'pass [batch, ...] with one unit axis');
    return this.#tensor(
      this.#emit.op('reshape', [x.id], { shape: [batch, features] }),
      this.#layer(x, 'flatten'),
    );
  }

  /**
   * Zeroes a share of the elements in training and divides the rest by 1 - rate; does nothing in evaluation.
   * The random numbers are addressed by (key, step, order of the call), never drawn from a stream.
   */
  dropout(x: Tensor, rate: number): Tensor {
    this.#at(this.#layer(x, 'dropout'), this.dropout);
    if (!(rate >= 0 && rate < 1)) this.#fail(`rate ${rate}`, 'a rate is from 0 (inclusive) to 1 (exclusive)');
    if (rate === 0) return x;
    return this.#tensor(
      this.#emit.op('dropout', [x.id], { rate, site: this.#site() }),
      this.#layer(x, 'dropout'),
    );
  }

  /** Uniform values in [0, 1) of a shape, new at every step. */
  randomUniform(shapeOf: Tensor): Tensor {
    this.#at('randomUniform', this.randomUniform);
    return this.#tensor(
      this.#emit.op('randomUniform', [], { shape: shapeOf.shape, site: this.#site() }),
      'randomUniform',
    );
  }

  /** Elementwise sum. Unit groups of the two become one group. */
  add(a: Tensor, b: Tensor): Tensor {
    return this.#combine('add', a, b, this.add);
  }

  subtract(a: Tensor, b: Tensor): Tensor {
    return this.#combine('subtract', a, b, this.subtract);
  }

  /** Elementwise product. */
  mul(a: Tensor, b: Tensor): Tensor {
    return this.#combine('multiply', a, b, this.mul);
  }

  /** x times a constant. */
  scale(x: Tensor, factor: number): Tensor {
    return this.#apply('scale', [x], { value: factor }, this.scale);
  }

  /** Adds one value to each channel (axis 1) of x. */
  addBias(x: Tensor, bias: Tensor): Tensor {
    return this.#apply('addBias', [x, bias], {}, this.addBias);
  }

  /** Multiplies each channel (axis 1) of x by a value of its own: a gate or modulator on units. */
  scaleChannels(x: Tensor, factors: Tensor): Tensor {
    this.#at(this.#layer(factors, 'scaleChannels'), this.scaleChannels);
    const spread = this.#emit.op('broadcastChannels', [factors.id], { shape: x.shape });
    return this.#tensor(this.#emit.op('multiply', [x.id, spread]), this.#layer(x, 'scaleChannels'));
  }

  /** Matrix product of [m, k] and [k, n], either stored transposed. Operands can be any nodes, parameters too. */
  matmul(a: Tensor, b: Tensor, options: { transA?: boolean; transB?: boolean } = {}): Tensor {
    const { transA = false, transB = false } = options;
    return this.#apply('matmul', [a, b], { transA, transB }, this.matmul);
  }

  transpose(x: Tensor): Tensor {
    return this.#apply('transpose', [x], {}, this.transpose);
  }

  /** The same values, through which no gradient flows. */
  stopGradient(x: Tensor): Tensor {
    return this.#apply('stopGradient', [x], {}, this.stopGradient);
  }

  /**
   * A tensor of the parameter vector. Matrices start Glorot-uniform, vectors at zero. The same name twice is the same tensor.
   *
   * @param shape - sizes; an axis of another tensor can be given to share its unit group, as `[8, x.shape[1]]`.
   */
  param(name: string, shape: Shape, kind: ParamKind = 'weight'): Tensor {
    this.#at(name, this.param);
    for (const dim of shape) if (typeof dim === 'number') this.#positive('an axis', dim);
    if (shape.some((dim) => typeof dim !== 'number' && dim.symbol === kBatch))
      this.#shapeError('a parameter cannot have a batch axis', 'use the other axes of the tensor');
    const sizes = resolveShape(shape, this.#builder.widths);
    const matrix = sizes.length >= 2;
    return this.#tensor(this.#param(name, shape, kind, matrix ? sizes[1] : 0, matrix ? sizes[0] : 0), name);
  }

  /** Gives a parameter another name in files, as a tied output embedding has. */
  tie(alias: string, name: string): void {
    this.#at(alias, this.tie);
    if (this.#params.has(alias) || !this.#params.has(name))
      this.#fail(
        `cannot be an alias of '${name}'`,
        'name a parameter that exists, and an alias that does not',
      );
    this.#aliases[alias] = name;
  }

  /** For `defineModel`. */
  input(name: string, shape: Shape, widths: Readonly<Record<string, number>> = {}): Tensor {
    Object.assign(this.#builder.widths, widths);
    return this.#tensor(this.#emit.op('input', [], { name, shape }), name);
  }

  /** For `defineModel`: what has been recorded. */
  finish() {
    return { graph: this.#builder.graph(), params: [...this.#params.values()], aliases: this.#aliases };
  }

  #finish(product: NodeId, outputs: Dim, options: DenseOptions | ConvOptions): Tensor {
    const { name, bias = true, activation } = options;
    let y = product;
    if (bias) y = this.#emit.op('addBias', [y, this.#param(`${name}.bias`, [outputs], 'bias', 0, 0)]);
    if (activation !== undefined) y = this.#emit.op(activation, [y]);
    return this.#tensor(y, name);
  }

  #pool(
    op: 'maxPool' | 'averagePool',
    x: Tensor,
    options: PoolOptions,
    boundary: (...a: never[]) => unknown,
  ) {
    this.#at(this.#layer(x, op), boundary);
    const { size = 2, stride = size } = options;
    this.#positive('size', size);
    this.#positive('stride', stride);
    const [height, width] = this.#imageSize(x, 'a pool');
    const window = this.#window(height, width, size, stride, 0);
    return this.#tensor(this.#emit.op(op, [x.id], { window }), this.#layer(x, op));
  }

  #window(height: number, width: number, kernel: number, stride: number, padding: number): Window {
    const outHeight = Math.floor((height + 2 * padding - kernel) / stride) + 1;
    const outWidth = Math.floor((width + 2 * padding - kernel) / stride) + 1;
    if (outHeight < 1 || outWidth < 1)
      this.#shapeError(
        `a window of ${kernel} x ${kernel} does not fit an image of ${height} x ${width} with padding ${padding}`,
        'use a smaller kernel or more padding',
      );
    return { kernel, stride, padding, height, width, outHeight, outWidth };
  }

  #imageSize(x: Tensor, what: string): [height: number, width: number] {
    const [, , height, width] = x.shape;
    if (x.shape.length !== 4 || typeof height !== 'number' || typeof width !== 'number')
      this.#shapeError(
        `${what} wants images [batch, channels, height, width], received ${this.#show(x.shape)}`,
        'give the model an input of [channels, height, width]',
      );
    return [height, width];
  }

  #apply(
    op: string,
    x: readonly Tensor[],
    attributes: Attributes,
    boundary: (...a: never[]) => unknown,
  ): Tensor {
    const layer = this.#layer(x[0], op);
    this.#at(layer, boundary);
    return this.#tensor(
      this.#emit.op(
        op,
        x.map((tensor) => tensor.id),
        attributes,
      ),
      layer,
    );
  }

  #combine(op: string, a: Tensor, b: Tensor, boundary: (...args: never[]) => unknown): Tensor {
    this.#at(this.#layer(a, op), boundary);
    this.#unifyShapes(a.shape, b.shape);
    return this.#tensor(this.#emit.op(op, [a.id, b.id]), this.#layer(a, op));
  }

  #unifyShapes(a: Shape, b: Shape): void {
    if (a.length !== b.length) return;
    for (const [axis, dim] of a.entries()) this.#unify(dim, b[axis]);
  }

  /** Two unit groups that meet in one axis are one group: the later name gives way. */
  #unify(a: Dim, b: Dim): void {
    if (typeof a === 'number' || typeof b === 'number' || sameDim(a, b)) return;
    const { widths } = this.#builder;
    if (a.symbol === kBatch || b.symbol === kBatch || a.factor !== b.factor) return;
    if (widths[a.symbol] !== widths[b.symbol]) return;
    const rename = (dim: Dim): Dim =>
      typeof dim !== 'number' && dim.symbol === b.symbol ? { ...dim, symbol: a.symbol } : dim;
    this.#builder.rename(rename);
    delete widths[b.symbol];
    this.#joined.set(b.symbol, a.symbol);
    for (const [name, param] of this.#params) {
      const axes = param.axes.map((axis) => (axis.group === b.symbol ? { ...axis, group: a.symbol } : axis));
      this.#params.set(name, { ...param, axes });
    }
  }

  #param(name: string, wanted: Shape, kind: ParamKind, fanIn: number, fanOut: number): NodeId {
    const shape = wanted.map((dim) => this.#canonical(dim));
    const known = this.#params.get(name);
    if (known) {
      const before = this.#builder.shape(known.node);
      if (before.length !== shape.length || before.some((dim, axis) => !this.#sameSize(dim, shape[axis])))
        this.#shapeError(
          `parameter '${name}' has shape ${this.#show(before)} before and ${this.#show(shape)} here`,
          'layers of one name share their parameters: give this layer another name or the same sizes',
        );
      this.#unifyShapes(before, shape);
      return known.node;
    }
    if (this.#aliases[name] !== undefined) this.#fail('is an alias already', 'use another name');
    const node = this.#emit.op('param', [], { name, shape });
    const axes = shape.map((dim): ParamAxis => {
      if (typeof dim === 'number') return { units: dim, inner: 1 };
      return { group: dim.symbol, units: this.#builder.widths[dim.symbol], inner: dim.factor };
    });
    this.#params.set(name, { name, kind, node, axes, fanIn, fanOut });
    return node;
  }

  /** The unit group of a layer's outputs; a name used again is the same group. */
  #units(name: string, units: number): Dim {
    const { widths } = this.#builder;
    const group = this.#group(name);
    if (widths[group] !== undefined && widths[group] !== units)
      this.#shapeError(
        `has ${widths[group]} outputs before and ${units} here`,
        'layers of one name share their parameters: give this layer another name or the same size',
      );
    widths[group] = units;
    return { symbol: group, factor: 1 };
  }

  #group(name: string): string {
    const joined = this.#joined.get(name);
    return joined === undefined ? name : this.#group(joined);
  }

  #canonical(dim: Dim): Dim {
    return typeof dim === 'number' ? dim : { ...dim, symbol: this.#group(dim.symbol) };
  }

  #sameSize(a: Dim, b: Dim): boolean {
    return this.#size(a) === this.#size(b);
  }

  #size(dim: Dim): number {
    return resolveDim(dim, this.#builder.widths);
  }

  #site(): number {
    const site = this.#randomSites;
    this.#randomSites += 1;
    return site;
  }

  #tensor(id: NodeId, layer: string): Tensor {
    this.#layerOf.set(id, layer);
    const builder = this.#builder;
    return {
      id,
      get shape() {
        return builder.shape(id);
      },
    };
  }

  #layer(x: Tensor, fallback: string): string {
    return this.#layerOf.get(x.id) ?? fallback;
  }

  #at(layer: string, boundary: (...args: never[]) => unknown): void {
    const place: ModelPlace = { layer: String(layer), source: callerLine(boundary) };
    this.#emit.place = place;
    if (typeof layer !== 'string' || layer === '')
      throw new ModelDefinitionError(place, 'has no name', "name every layer, as in { name: 'fc1' }");
  }

  #positive(what: string, value: number): void {
    if (!Number.isInteger(value) || value < 1)
      this.#fail(`${what} is ${value}`, `${what} is a positive integer`);
  }

  #show(shape: Shape): string {
    return showShape(shape, this.#builder.widths);
  }

  #fail(problem: string, hint: string): never {
    throw new ModelDefinitionError(this.#emit.place, problem, hint);
  }

  #shapeError(problem: string, hint: string): never {
    throw new ModelShapeError(this.#emit.place, problem, hint);
  }
}
